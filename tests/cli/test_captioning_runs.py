"""Commands of the lab that are given a captioning run, or a captioning recipe."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")
pytest.importorskip("transformers")

from support.captioning_runs import untrained_run
from support.command_line import succeeded, typed

pytestmark = pytest.mark.lab

CAPTIONS = """id,prediction,reference_1,reference_2
a,a dog barks,a dog barks,the barking of a dog
b,rain falls,a cat meows,the sound of a cat
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a captioning run, `run`, and its clips, `sounds`."""
    folder = tmp_path_factory.mktemp("captioning")
    untrained_run(folder / "run", "cmu2022/captioning_baseline", folder / "sounds")
    return folder


@pytest.fixture(autouse=True)
def run(home: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("soundseek.metrics.captions.evaluation.find_java", lambda: None)
    return Path(shutil.copytree(made / "run", home / "run"))


@pytest.fixture
def crow(made: Path) -> Path:
    return made / "sounds" / "audio" / "crow-3.wav"


def test_its_captions_are_scored_as_evaluate_captions_does(run: Path) -> None:
    pytest.importorskip("pycocoevalcap")
    (run / "captions.csv").write_text(CAPTIONS, encoding="utf-8")
    found = json.loads(succeeded("evaluate", "run", "run", "--json"))
    assert found.pop("clips") == 2
    assert found == json.loads(succeeded("evaluate", "captions", "run/captions.csv", "--json"))
    shown = typed("evaluate", "run", "run")
    assert shown.stdout == succeeded("evaluate", "captions", "run/captions.csv")
    assert shown.stdout.startswith("2 clips, 4 references")
    assert "note: no spice" in shown.stderr


def test_it_is_scored_on_other_clips(made: Path) -> None:
    pytest.importorskip("pycocoevalcap")
    other = ("--corpus", "clips", "--root", made / "sounds", "--split", "train")
    found = json.loads(succeeded("evaluate", "run", "run", *other, "--json"))
    assert found["n"] == 16
    found = json.loads(succeeded("evaluate", "run", "run", "--part", "validation", "--json"))
    assert found["n"] == 8


SUBMISSION = (
    "evaluate submission run --year 2024 --sounds sounds --queries q.txt --author A --institute I"
    " --abbreviation B --out out"
)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("evaluate run run --rerank 3", "ranks no clips: leave --rerank out"),
        ("evaluate run run --save kept", "ranks no clips: leave --save out"),
        ("evaluate run run run --out-of-fold", "ranks no clips: leave --out-of-fold out"),
        ("evaluate run run run", "only --out-of-fold takes several"),
        (SUBMISSION, "the run in run writes captions and ranks no clips"),
        ("ensemble run other --out out", "the run in run writes captions and ranks no clips"),
        (
            "tune soundseek/captions --space cpjku2022 --study out",
            "soundseek/captions writes captions and ranks no clips",
        ),
        (
            "ablate soundseek/captions --rows cpjku2022 --out out",
            "soundseek/captions writes captions and ranks no clips",
        ),
        (
            "ablate surrey2022/cnn14_bert --rows rows.yaml --out out",
            "the row words writes captions and ranks no clips",
        ),
        ("export run --name x --out out", "the run in run hears by vggish"),
        (
            "train cmu2022/captioning_baseline --find-batch --smoke",
            "cannot be tried: its system is captioning",
        ),
        ("caption a.wav --run run --windows", "--windows does not go with --run"),
        ("caption a.wav --run run --every 5", "--every does not go with --run"),
        ("caption a.wav --run run --model m", "--model does not go with --run"),
        ("caption a.wav --run run --captioner c", "--captioner does not go with --run"),
        ("caption a.wav --run gone", "no run in gone"),
        ("caption a.wav --run run --words gone.txt", "gone.txt cannot be read"),
        ("caption a.wav --run run", "a.wav"),
    ],
)
def test_what_does_not_go_is_said_with_what_to_do(
    line: str, said: str, home: Path, crow: Path
) -> None:
    (home / "sounds").mkdir()
    shutil.copy(crow, home / "sounds")
    (home / "q.txt").write_text("a dog", encoding="utf-8")
    (home / "rows.yaml").write_text(
        "name: r\nrows:\n  - name: whole\n  - name: words\n    recipe: soundseek/captions\n",
        encoding="utf-8",
    )
    result = typed(*line.split())
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert result.stdout == ""
    assert not (home / "out").exists()


def test_files_are_captioned(crow: Path, home: Path) -> None:
    (home / "bad.wav").write_bytes(b"no sound")
    soundfile.write("long.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 64000), 16000)
    (home / "sub").mkdir()
    shutil.copy(crow, home / "sub" / "crow.wav")
    result = typed("caption", "sub", "long.wav", "bad.wav", "--run", "run", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["model"], found["captioner"]) == ("vggish", "cmu2022/captioning_baseline (tiny)")
    assert [clip["path"] for clip in found["clips"]] == [str(Path("sub", "crow.wav")), "long.wav"]
    assert found["clips"][1]["duration_s"] == 4.0
    assert [one["path"] for one in found["failed"]] == ["bad.wav"]
    assert "1 file is longer than" in result.stderr
    assert "long.wav" in result.stderr
    caption = found["clips"][0]["caption"]
    assert caption
    rows = list(csv.DictReader(io.StringIO(succeeded("caption", "sub", "--run", "run", "--csv"))))
    assert [row["caption"] for row in rows] == [caption]
    assert succeeded("caption", "sub", "--run", "run").endswith(f"{caption}\n")


def test_the_ways_to_choose_a_sentence_and_sidecars(crow: Path, home: Path) -> None:
    shutil.copy(crow, home / "crow.wav")
    (home / "words.txt").write_text("crow owl", encoding="utf-8")
    for words in (["--beams", "2"], ["--greedy"], ["--nucleus", "0.9", "--seed", "1"]):
        shown = succeeded("caption", "crow.wav", "--run", "run", "--words", "words.txt", *words)
        assert set(shown.split()[1:]) <= {"crow", "owl"}
    succeeded("caption", "crow.wav", "--run", "run", "--sidecar", "--greedy")
    assert (home / "crow.wav.txt").is_file()
    again = typed("caption", "crow.wav", "--run", "run", "--sidecar")
    assert again.exit_code == 0
    assert "has a .txt file already" in again.stderr


def test_a_model_of_the_environment_does_not_stand_in_the_way(
    crow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUNDSEEK_MODEL", "nowhere")
    assert succeeded("caption", crow, "--run", "run")
