from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from soundseek.lab.data import published
from soundseek.lab.data.downloads import RemoteFile
from support.command_line import succeeded, typed
from support.corpora import write_wav
from support.file_server import FileServer, serving

pytestmark = pytest.mark.lab


@pytest.fixture
def sounds(home: Path) -> Path:
    """A folder of two sounds of Freesound's, one of them in each of two splits."""
    write_wav(home / "sounds" / "7__ann__rain.wav")
    write_wav(home / "sounds" / "test" / "8__ann__wind.wav", seed=1)
    return home / "sounds"


@pytest.fixture
def manifest(sounds: Path) -> Path:
    succeeded("data", "prepare", "folder", "sounds", "--out", "mine.parquet")
    return Path("mine.parquet")


def test_the_corpora_are_listed() -> None:
    shown = succeeded("data", "list")
    assert "clotho  Clotho v2.1" in shown
    rows = {row["name"]: row for row in json.loads(succeeded("data", "list", "--json"))["corpora"]}
    assert rows["clotho"]["can_be_fetched"]
    assert rows["folder"]["homepage"] is None


def test_prepare(sounds: Path) -> None:
    result = typed("data", "prepare", "folder", "sounds", "--out", "mine.parquet")
    assert result.exit_code == 0
    assert "2 clips in mine.parquet" in result.stdout
    assert "without Freesound id: 0" in result.stdout
    assert "report: mine.json" in result.stderr


def test_prepare_as_json_with_options_and_exclusion(sounds: Path) -> None:
    Path("ids.txt").write_text("7\n")
    words = ["data", "prepare", "folder", "sounds", "--out", "mine.parquet", "--json"]
    shown = json.loads(succeeded(*words, "--exclude", "ids.txt", "--option", "source=s"))
    assert (shown["clips"], shown["manifest"]) == (1, "mine.parquet")
    assert shown["exclusion"]["clips"] == ["s/7__ann__rain.wav"]


def test_a_list_that_excludes_nothing_is_refused_unless_it_may(sounds: Path) -> None:
    Path("ids.txt").write_text("1\n")
    words = ["data", "prepare", "folder", "sounds", "--out", "x.parquet", "--exclude", "ids.txt"]
    result = typed(*words)
    assert result.exit_code == 2
    assert "ids.txt excluded nothing of 2 clips" in result.stderr
    result = typed(*words, "--may-exclude-nothing")
    assert result.exit_code == 0
    assert "warning: ids.txt excluded nothing" in result.stderr
    assert "0 clips excluded" in result.stdout


def test_clips_that_are_left_out_end_with_1(sounds: Path) -> None:
    (sounds / "bad.wav").write_bytes(b"nothing")
    words = ["data", "prepare", "folder", "sounds", "--out", "mine.parquet"]
    assert typed(*words).exit_code == 2
    result = typed(*words, "--audio", "present")
    assert result.exit_code == 1
    assert "1 clip without a readable sound, left out" in result.stdout
    result = typed(*words, "--audio", "optional")
    assert result.exit_code == 0
    assert "1 clip without a readable sound, kept for their texts" in result.stdout


def test_check_a_manifest(manifest: Path, sounds: Path) -> None:
    assert "2 clips, 0 failures" in succeeded("data", "check", manifest, "--deep")
    (sounds / "7__ann__rain.wav").unlink()
    result = typed("data", "check", manifest)
    assert result.exit_code == 1
    assert "missing: 1\n" in result.stdout
    assert "7__ann__rain.wav: no such file" in result.stdout
    assert succeeded("data", "check", manifest, "--texts-only").startswith("2 clips, 0 failures")


def test_check_a_corpus(sounds: Path) -> None:
    (sounds / "bad.wav").write_bytes(b"nothing")
    result = typed("data", "check", "folder", "sounds", "--option", "source=s", "--json")
    assert result.exit_code == 1
    assert [one["clips"] for one in json.loads(result.stdout)["corrupt"]] == [["s/bad.wav"]]


def test_stats(manifest: Path) -> None:
    shown = succeeded("data", "stats", manifest)
    assert shown.startswith("all: 2 clips, 0.00 h, median 0.5 s, 2 captions, 2 words (2 different)")
    assert "  test: 1 clip" in shown
    assert json.loads(succeeded("data", "stats", manifest, "--json"))["all"]["clips"] == 2
    assert succeeded("data", "stats", "folder", "sounds").startswith("all: 2 clips")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "mine.parquet", "--deep", "--texts-only"], "exclude each other"),
        (["check", "mine.parquet", "--option", "a=b"], "needs a CORPUS and its ROOT"),
        (["check", "none.parquet"], "no manifest at none.parquet"),
        (["stats", "foldre", "sounds"], "did you mean 'folder'"),
        (["prepare", "folder", "sounds", "--out", "x.parquet", "--option", "split"], "NAME=VALUE"),
        (["prepare", "folder", "sounds", "--out", "x.txt"], "ends in .parquet"),
        (["fetch", "laion630k", "--out", "x"], "cannot be fetched from one place"),
        (["fetch", "clotho", "--out", "x", "--only", "*.mp3"], "no file of clotho is like '*.mp3'"),
    ],
)
def test_wrong_use(manifest: Path, words: list[str], said: str) -> None:
    result = typed("data", *words)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """ESC-50, published on this machine as one small table."""
    monkeypatch.setenv("no_proxy", "*")
    with serving(b"filename,fold\n") as state:
        files = (RemoteFile(state.url, "esc50.csv"),)
        table = {"esc50": published.Published(files, "That is all.")}
        monkeypatch.setattr(published, "PUBLISHED", table)
        yield state


def test_fetch(server: FileServer) -> None:
    result = typed("data", "fetch", "esc50", "--out", "esc")
    assert result.exit_code == 0
    assert result.stdout == f"{Path('esc', 'esc50.csv')}\n"
    assert "That is all." in result.stderr
    assert Path("esc/esc50.csv").read_bytes() == server.content
    shown = json.loads(succeeded("data", "fetch", "esc50", "--out", "esc", "--json"))
    assert shown == {"corpus": "esc50", "files": [str(Path("esc", "esc50.csv"))]}
    assert server.requests == [None]


def test_fetch_offline_says_where_to_put_what(server: FileServer) -> None:
    result = typed("data", "fetch", "esc50", "--out", "esc", "--offline")
    assert result.exit_code == 2
    assert server.url in result.stderr
    assert server.requests == []
