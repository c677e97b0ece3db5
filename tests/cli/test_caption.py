from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.command_line import process, succeeded, typed, write_sound, write_sounds
from support.tiny_bundle import SOUNDS, sine

HIGH = "a high tone is heard"


@pytest.fixture(autouse=True)
def installed(home: Path, tiny_captioner: Path) -> Path:
    """The user's captioner."""
    return Path(shutil.copytree(tiny_captioner, home / "models" / "tiny-captions"))


@pytest.fixture
def folder(home: Path) -> Path:
    """A folder with the `SOUNDS`."""
    write_sounds(home / "sounds")
    return home / "sounds"


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_sentence_for_each_file(folder: Path) -> None:
    result = typed("caption", folder / "rec2.wav", folder / "rec0.wav")
    assert result.exit_code == 0
    rec2, rec0 = Path("sounds", "rec2.wav"), Path("sounds", "rec0.wav")
    assert result.stdout == f"{rec2}  {HIGH}\n{rec0}  a low tone is heard\n"


def test_folders_are_looked_through_and_nothing_comes_twice(folder: Path, home: Path) -> None:
    (folder / "notes.txt").write_text("no sound")
    write_sound(folder / "deeper" / "rec9.wav", sine(4000))
    found = json.loads(succeeded("caption", "sounds", "sounds/rec1.wav", "--json"))
    paths = [clip["path"] for clip in found["clips"]]
    expected = [str(Path("sounds", f"rec{n}.wav")) for n in range(len(SOUNDS))]
    assert paths == [str(Path("sounds", "deeper", "rec9.wav")), *expected]
    captions = [clip["caption"] for clip in found["clips"][1:]]
    assert captions == [*(f"a {word} tone is heard" for word in list(SOUNDS)[:-1]), "silence"]


def test_json(folder: Path) -> None:
    found = json.loads(succeeded("caption", "sounds/rec2.wav", "--json"))
    assert (found["model"], found["captioner"]) == ("tiny", "tiny-captions")
    assert (found["failed"], found["kept"]) == ([], [])
    (clip,) = found["clips"]
    assert clip.pop("score") < 0
    assert clip == {
        "path": "sounds/rec2.wav",
        "caption": HIGH,
        "duration_s": 3.0,
        "windows": [],
    }


def test_what_is_heard_when(home: Path) -> None:
    write_sound(home / "long.wav", np.concatenate([sine(4000, 25), sine(180, 25)]))
    found = json.loads(succeeded("caption", "long.wav", "--windows", "--json"))
    windows = found["clips"][0]["windows"]
    assert [part["caption"] for part in windows] == [HIGH, "a low tone is heard"]
    assert windows[0]["start_s"] == 0
    assert windows[0]["end_s"] == windows[1]["start_s"] == pytest.approx(25, abs=6)
    assert windows[1]["end_s"] == 50
    lines = succeeded("caption", "long.wav", "--every", "2.88").splitlines()
    assert lines[0].startswith("long.wav  a ")
    assert lines[1] == f"  0:00–0:26  {HIGH}"
    rows = table(succeeded("caption", "long.wav", "--windows", "--csv"))
    assert [row["caption"] for row in rows] == [HIGH, "a low tone is heard"]
    assert float(rows[1]["end_s"]) == 50


def test_csv_is_read_by_caption_then_match(folder: Path, home: Path) -> None:
    text = succeeded("caption", "sounds", "--csv")
    assert text.splitlines()[0] == "path,file_name,start_s,end_s,caption,score"
    row = table(text)[2]
    assert (row["file_name"], row["start_s"], row["end_s"]) == ("rec2.wav", "0.0", "3.0")
    pytest.importorskip("torch")
    from soundseek.lab.caption_matching.generated import read_generated

    (home / "captions.csv").write_text(text)
    assert read_generated(home / "captions.csv")["rec2.wav"] == [HIGH]


def test_sidecars_are_written_and_never_replaced_unasked(folder: Path) -> None:
    (folder / "rec1.wav.txt").write_text("mine")
    (folder / "rec2.txt").write_text("notes")
    result = typed("caption", "sounds", "--sidecar")
    assert result.exit_code == 0
    assert (folder / "rec2.wav.txt").read_text(encoding="utf-8") == f"{HIGH}\n"
    assert (folder / "rec1.wav.txt").read_text() == "mine"
    assert (folder / "rec2.txt").read_text() == "notes"
    assert "1 sound has a .txt file already" in result.stderr
    assert len(result.stdout.splitlines()) == len(SOUNDS) - 1
    again = json.loads(succeeded("caption", "sounds", "--sidecar", "--json"))
    assert again["clips"] == []
    assert len(again["kept"]) == len(SOUNDS)
    succeeded("caption", "sounds", "--sidecar", "--force")
    assert (folder / "rec1.wav.txt").read_text() == "a middle tone is heard\n"
    assert not list(folder.glob(".*"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder without writing")
def test_a_sidecar_that_cannot_be_written_stops_nothing(folder: Path) -> None:
    folder.chmod(0o555)
    try:
        result = typed("caption", "sounds/rec2.wav", "--sidecar")
    finally:
        folder.chmod(0o755)
    assert result.exit_code == 1
    assert HIGH in result.stdout
    assert "rec2.wav.txt cannot be written: Permission denied" in result.stderr


def test_a_sidecar_in_place_of_which_there_is_a_folder(folder: Path) -> None:
    (folder / "rec2.wav.txt").mkdir()
    result = typed("caption", "sounds/rec2.wav", "--sidecar", "--force")
    assert result.exit_code == 1
    assert "rec2.wav.txt cannot be written" in result.stderr
    assert not list(folder.glob(".*"))


def test_one_bad_file_stops_nothing(folder: Path) -> None:
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("This is no sound.")
    write_sound(folder / "short.wav", sine(4000, 0.2))
    write_sound(folder / "ünï çode 音.wav", sine(180))
    (folder / "void").mkdir()
    result = typed("caption", "sounds", "gone.wav", "sounds/void", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    reasons = {Path(one["path"]).name: one["reason"] for one in found["failed"]}
    assert reasons["empty.wav"] == "is empty (0 bytes)"
    assert reasons["text.wav"].startswith("cannot be decoded (libsndfile")
    assert reasons["gone.wav"] == "no such file"
    assert reasons["void"] == "is a folder without sounds"
    captions = {Path(clip["path"]).name: clip["caption"] for clip in found["clips"]}
    assert captions["short.wav"] == HIGH
    assert captions["ünï çode 音.wav"] == "a low tone is heard"
    assert len(captions) == len(SOUNDS) + 2
    shown = typed("caption", "sounds")
    assert "2 files could not be described:" in shown.stderr


def test_absurd_samples_are_a_failure_of_that_file(home: Path) -> None:
    import soundfile

    loud = np.full(48_000, 1e30, dtype=np.float32)
    soundfile.write(home / "loud.wav", loud, 16_000, subtype="FLOAT")
    write_sound(home / "high.wav", sine(4000))
    result = typed("caption", "loud.wav", "high.wav")
    assert result.exit_code == 1
    assert result.stdout == f"high.wav  {HIGH}\n"
    assert "loud.wav" in result.stderr


def test_where_nothing_could_be_described_it_is_an_error(home: Path) -> None:
    (home / "text.wav").write_text("This is no sound.")
    for arguments in (["text.wav"], ["gone.wav"], ["."]):
        (home / "text.wav").touch()
        assert typed("caption", *arguments).exit_code == 2
    assert json.loads(typed("caption", "text.wav", "--json").stdout)["clips"] == []


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
def test_a_name_that_is_no_text(home: Path) -> None:
    source = write_sound(home / "high.wav", sine(4000))
    odd = home / os.fsdecode(b"odd \xff name.wav")
    shutil.copy(source, odd)
    with process("caption", odd, "--csv", "--sidecar") as running:
        output, errors = running.communicate(timeout=60)
    assert running.returncode == 0, errors
    assert HIGH.encode() in output
    assert Path(f"{odd}.txt").is_file()


def test_searches(folder: Path) -> None:
    for options in (["--greedy"], ["--beams", "1"], ["--nucleus", "0.5", "--seed", "3"]):
        assert HIGH in succeeded("caption", "sounds/rec2.wav", *options)


def test_words(folder: Path, home: Path) -> None:
    (home / "words.txt").write_text("a high\ntone rain", encoding="utf-8-sig")
    result = typed("caption", "sounds/rec2.wav", "--words", "words.txt")
    assert result.exit_code == 0
    text = result.stdout.partition("  ")[2]
    assert set(text.split()) <= {"a", "high", "tone"}
    assert result.stderr == "note: tiny-captions cannot write rain\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'FILE...'"),
        (["x.wav", "--json", "--csv"], "--json and --csv cannot go together"),
        (["x.wav", "--greedy", "--beams", "2"], "--beams and --greedy cannot go together"),
        (["x.wav", "--seed", "2"], "--seed goes with --nucleus"),
        (["x.wav", "--nucleus", "0"], "0<x<=1"),
        (["x.wav", "--force"], "--force goes with --sidecar"),
        (["x.wav", "--every", "soon"], "'soon' is no duration"),
        (["x.wav", "--every", "0"], "--every 0 is no length"),
        (["x.wav", "--words", "words"], "can write none of the 2 words"),
        (["x.wav", "--words", "nothing"], "there is no word in nothing"),
        (["x.wav", "--words", "latin"], "not UTF-8 text"),
        (["x.wav", "--words", "gone"], "gone: No such file"),
        (["x.wav", "--captioner", "tiny-capt"], "did you mean 'tiny-captions'?"),
        (["x.wav", "--model", "gone"], "no model bundle called 'gone'"),
    ],
)
def test_wrong_use(home: Path, arguments: list[str], message: str) -> None:
    write_sound(home / "x.wav", sine(4000))
    (home / "words").write_text("rain dog")
    (home / "nothing").write_text(" \n")
    (home / "latin").write_bytes(b"\xff\xfe\xfa")
    result = typed("caption", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_without_a_captioner_it_says_so(home: Path, installed: Path) -> None:
    shutil.rmtree(installed)
    result = typed("caption", "x.wav")
    assert result.exit_code == 2
    assert "no captioner for the model 'tiny' is installed" in result.stderr
    assert "put the folder of one that was trained for it into" in result.stderr


def test_a_captioner_brings_the_model_that_it_hears(
    folder: Path, home: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOUNDSEEK_MODEL")
    arguments = ["caption", "sounds/rec2.wav", "--captioner", "tiny-captions"]
    result = typed(*arguments)
    assert result.exit_code == 2
    assert "reads the vectors of the model 'tiny'" in result.stderr
    shutil.copytree(tiny_bundle, home / "models" / "tiny")
    assert HIGH in succeeded(*arguments)


def test_a_captioner_for_another_model_is_refused(folder: Path, installed: Path) -> None:
    document = json.loads((installed / "captioner.json").read_bytes())
    document["hears"] |= {"name": "other", "fingerprint": "0" * 64}
    (installed / "captioner.json").write_text(json.dumps(document))
    result = typed("caption", "sounds/rec2.wav", "--captioner", "tiny-captions")
    assert result.exit_code == 2
    assert "not of 'tiny'" in result.stderr
    assert "use it with 'other'" in result.stderr


def test_many_files_tell_on_stderr_how_far_it_is(folder: Path) -> None:
    assert "describing 6 files" in typed("caption", "sounds", "--csv").stderr
    assert typed("caption", "sounds/rec2.wav").stderr == ""


def test_help_imports_nothing_that_takes_time() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom soundseek.cli.main import face\n"
        "assert CliRunner().invoke(face, ['caption', '--help']).exit_code == 0\n"
        "print(sorted({'numpy', 'onnxruntime', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
