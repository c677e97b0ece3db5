from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from soundseek.metrics.captions import evaluate_captions, spice
from soundseek.metrics.captions.java import JavaError
from soundseek.metrics.captions.spice import PARSER_FILES, no_spice, parser_files, spice_scores
from support.captions import PREDICTIONS, REFERENCES, program

# Plays Java 11 and SPICE: F is the number of words of a caption, over 100.
PLAYED = """
import json
import os
if sys.argv[1] == "-version":
    sys.stderr.write('openjdk version "11.0.1"')
    sys.exit()
print(sys.argv, file=open(os.path.join(os.path.dirname(__file__), "asked"), "a"))
place = sys.argv.index("edu.anu.spice.SpiceScorer")
clips = json.load(open(sys.argv[place + 1]))
assert all(clip["refs"] for clip in clips)
scores = [
    {"image_id": clip["image_id"], "scores": {"All": {"f": len(clip["test"].split()) / 100}}}
    for clip in clips
]
json.dump(scores, open(sys.argv[sys.argv.index("-out") + 1], "w"))
"""


@pytest.fixture
def parser(tmp_path: Path) -> Path:
    folder = tmp_path / "parser"
    folder.mkdir()
    for name in PARSER_FILES:
        (folder / name).write_bytes(b"")
    return folder


@pytest.fixture
def played(tmp_path: Path) -> str:
    return str(program(tmp_path / "java11" / "bin" / "java", PLAYED))


@pytest.mark.parametrize("below", ["", "lib", spice.ARCHIVE_NAME])
def test_where_the_parser_may_lie(
    below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parser_files(tmp_path) is None
    (tmp_path / below).mkdir(exist_ok=True)
    (tmp_path / below / PARSER_FILES[0]).write_bytes(b"")
    assert parser_files(tmp_path) is None
    (tmp_path / below / PARSER_FILES[1]).write_bytes(b"")
    files = [tmp_path / below / name for name in PARSER_FILES]
    assert parser_files(tmp_path) == files
    monkeypatch.setenv(spice.VARIABLE, str(tmp_path))
    assert parser_files(None) == files


def test_without_the_parser_it_says_what_is_missing(tmp_path: Path, played: str) -> None:
    reason = no_spice(tmp_path, played)
    assert reason is not None
    for said in (*PARSER_FILES, spice.ARCHIVE_URL, "--spice-folder", "SOUNDSEEK_SPICE"):
        assert said in reason
    with pytest.raises(JavaError, match="its parser is not found"):
        spice_scores(["a"], ["x"], [["y"]], tmp_path, played)


@pytest.mark.parametrize("version", ["1.7.0", "15.0.2", "17.0.15"])
def test_javas_on_which_it_does_not_run(version: str, parser: Path, tmp_path: Path) -> None:
    body = f"""sys.stderr.write('openjdk version "{version}"')"""
    reason = no_spice(parser, str(program(tmp_path / "java", body)))
    assert reason is not None
    assert "runs on Java 8 to 14" in reason
    assert "JAVA_HOME" in reason


def test_without_java_or_with_a_broken_one(parser: Path, tmp_path: Path) -> None:
    assert "needs Java" in str(no_spice(parser, None))
    broken = program(tmp_path / "java", "sys.exit(4)")
    assert "Java ended with 4" in str(no_spice(parser, str(broken)))


def test_one_run_for_all_clips(
    parser: Path, played: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(Path(played).parents[1]))
    found = evaluate_captions(PREDICTIONS, REFERENCES, spice_folder=parser, meteor=False)
    per_clip = found.metrics["spice"].per_clip
    assert per_clip is not None
    assert per_clip["sea"] == pytest.approx(0.05)
    assert "spider" in found.metrics
    asked = (Path(played).parent / "asked").read_text(encoding="utf-8").splitlines()
    (run,) = [line for line in asked if "SpiceScorer" in line]
    for said in (str(parser / PARSER_FILES[0]), "spice-1.0.jar", "-Xmx8G", "-silent"):
        assert said in run
    assert "-cache" not in run


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("scores = scores[1:]", "SPICE scored 1 of 2 clips"),
        ("scores = [{}]", "results cannot be read"),
        ("sys.stderr.write('OutOfMemoryError'); sys.exit(1)", "ended with 1: OutOfMemoryError"),
    ],
)
def test_a_run_that_fails(change: str, message: str, parser: Path, tmp_path: Path) -> None:
    body = PLAYED.replace("json.dump(", f"{change}\njson.dump(")
    java = str(program(tmp_path / "bin" / "java", body))
    with pytest.raises(JavaError, match=message):
        spice_scores(["a", "b"], ["x", "y"], [["y"], ["z"]], parser, java)


def test_the_program_in_the_package_is_called_rightly(java: str, parser: Path) -> None:
    """Real SPICE starts and reads the clips: it fails where it needs its parser."""
    tools = spice.tools_folder() / "spice"
    path = f"{tools / 'spice-1.0.jar'}{os.pathsep}{tools / 'lib' / '*'}"
    clips = parser / "clips.json"
    clips.write_text(json.dumps([{"image_id": "a", "test": "x", "refs": ["y"]}]), encoding="utf-8")
    with pytest.raises(JavaError, match="edu/stanford/nlp"):
        spice.run([java, "-cp", path, "edu.anu.spice.SpiceScorer", clips, "-silent"])
