from __future__ import annotations

import csv
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pycocoevalcap", reason="needs pycocoevalcap (extra `captions`)")

from soundseek.errors import DataError
from soundseek.metrics.captions import spice
from support.captions import PREDICTIONS, REFERENCES
from support.command_line import succeeded, typed

WORDS = ("evaluate", "captions")
FAST = ("--no-meteor",)


def write(path: Path, rows: list[list[str]], delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


@pytest.fixture(autouse=True)
def files(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both sides in one file, each in its own, and a worse system."""
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.delenv(spice.VARIABLE, raising=False)
    most = max(map(len, REFERENCES.values()))
    names = [f"reference_{i + 1}" for i in range(most)]
    people = [[*texts, *[""] * (most - len(texts))] for texts in REFERENCES.values()]
    mine = [[clip, text] for clip, text in PREDICTIONS.items()]
    write(
        home / "both.csv",
        [["id", "prediction", *names]]
        + [[*one, *texts] for one, texts in zip(mine, people, strict=True)],
    )
    write(
        home / "clotho.csv",
        [["file_name", *(f"caption_{i + 1}" for i in range(most))]]
        + [[clip, *texts] for clip, texts in zip(PREDICTIONS, people, strict=True)],
    )
    write(home / "mine.tsv", [["file_name", "caption_predicted"], *reversed(mine)], "\t")
    worse = [[clip, "a sound is heard"] for clip in PREDICTIONS]
    write(home / "worse.csv", [["id", "caption"], *worse])
    write(
        home / "spice.csv",
        [["id", "spice"], *([clip, str(i / 12)] for i, clip in enumerate(PREDICTIONS))],
    )
    return home


def figures(*arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(succeeded(*WORDS, *arguments, "--json"))
    return document


def test_one_file_or_two() -> None:
    one = figures("both.csv", *FAST)
    assert set(one) == {"n", "metrics", "missing", "tokeniser", "empty"}
    assert one["n"] == 12
    names = [*(f"bleu_{k}" for k in range(1, 5)), "rouge_l", "cider", "vocabulary"]
    assert list(one["metrics"]) == names
    assert one["metrics"]["bleu_1"]["value"] == pytest.approx(0.670276, abs=1e-6)
    low, high = one["metrics"]["cider"]["ci95"]
    assert low < one["metrics"]["cider"]["value"] < high
    assert set(one["missing"]) == {"meteor", "spice", "spider", "spider_fl", "fense"}
    assert figures("--predictions", "both.csv", *FAST) == one
    assert figures("--captions", "both.csv", *FAST) == one
    two = figures("--references", "clotho.csv", "--predictions", "mine.tsv", *FAST)
    assert two["metrics"] == one["metrics"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give FILE with both sides"),
        (("both.csv", "--predictions", "mine.tsv"), "give FILE with both sides"),
        (("mine.tsv",), "has no references"),
        (("clotho.csv",), "has no column prediction"),
        (("both.csv", "--references", "clotho.csv"), "has references of its own"),
        (("--predictions", "mine.tsv", "--references", "worse.csv"), "no column reference_1"),
        (("both.csv", "--compare", "clotho.csv"), "no column prediction"),
        (("both.csv", "--spice", "mine.tsv"), "no column for its score"),
        (("nothing.csv",), "nothing.csv"),
    ],
)
def test_wrong_use(arguments: tuple[str, ...], message: str) -> None:
    result = typed(*WORDS, *arguments, *FAST)
    assert result.exit_code == 2
    assert message in result.stderr


def test_clips_that_do_not_agree(files: Path) -> None:
    write(files / "few.csv", [["id", "prediction"], ["rain", "rain"], ["moon", "silence"]])
    result = typed(*WORDS, "--references", "clotho.csv", "--predictions", "few.csv", *FAST)
    assert result.exit_code == 2
    assert "11 of 12 clips have no prediction" in result.stderr


def test_a_table_and_what_is_missing() -> None:
    result = typed(*WORDS, "both.csv", "--spice", "spice.csv", *FAST)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"12 clips, {sum(map(len, REFERENCES.values()))} references"
    assert [line.split()[0] for line in lines[-4:]] == ["cider", "spice", "spider", "vocabulary"]
    assert lines[-1].split()[1].isdecimal()
    assert "note: no meteor: left out as asked" in result.stderr
    assert "note: no spider_fl, fense: needs" in result.stderr


@pytest.mark.slow
def test_meteor_and_the_words_by_java() -> None:
    if shutil.which("java") is None:
        pytest.skip("there is no Java here")
    found = figures("both.csv")
    assert found["tokeniser"] == "java"
    assert found["metrics"]["meteor"]["value"] == pytest.approx(0.281010, abs=1e-6)


def test_without_java(monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    monkeypatch.setenv("PATH", str(files / "empty"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    result = typed(*WORDS, "both.csv")
    assert result.exit_code == 0
    assert "note: captions were cut into words without Java, which is not found" in result.stderr
    assert "note: no meteor: needs Java" in result.stderr
    insisting = typed(*WORDS, "both.csv", "--meteor")
    assert insisting.exit_code == 2
    assert "METEOR needs Java" in insisting.stderr


def test_comparison() -> None:
    found = figures("both.csv", "--compare", "worse.csv", *FAST)["comparison"]
    assert found["metrics"]["cider"]["value"] < 0.5
    difference = found["differences"]["cider"]
    assert difference["value"] > 0
    assert difference["p"] < 0.05
    assert "vocabulary" not in found["differences"]
    shown = succeeded(*WORDS, "both.csv", "--compare", "worse.csv", *FAST)
    assert "difference" in shown.splitlines()[1]
    same = figures("both.csv", "--compare", "mine.tsv", *FAST)["comparison"]["differences"]
    assert {each["p"] for each in same.values()} == {1.0}


def test_per_clip(files: Path) -> None:
    succeeded(*WORDS, "both.csv", "--per-clip", "clips.csv", "--spice", "spice.csv", *FAST)
    rows = list(csv.DictReader((files / "clips.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["id"] for row in rows] == list(PREDICTIONS)
    assert float(rows[6]["spice"]) == pytest.approx(0.5)
    missing = typed(*WORDS, "both.csv", "--per-clip", "nowhere/clips.csv", *FAST)
    assert missing.exit_code == 2
    assert "there is no folder nowhere" in missing.stderr


def test_empty_captions_are_told(files: Path) -> None:
    write(files / "few.csv", [["id", "caption"], *([clip, ""] for clip in PREDICTIONS)])
    result = typed(*WORDS, "--references", "clotho.csv", "--predictions", "few.csv", *FAST)
    assert result.exit_code == 0
    assert "12 predictions without a word score 0: rain, dog, café, …" in result.stderr


def test_the_parser_of_spice_is_fetched_once(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(file: Any, folder: Path) -> Path:
        asked.append(file.url)
        with zipfile.ZipFile(folder / file.name, "w") as whole:
            for name in spice.PARSER_FILES:
                whole.writestr(f"{spice.ARCHIVE_NAME}/{name}", b"jar")
        return folder / file.name

    monkeypatch.setattr("soundseek.lab.data.downloads.fetch", fetch)
    monkeypatch.setattr(spice, "tools_folder", lambda: files / "tools")
    monkeypatch.setattr("soundseek.metrics.captions.evaluation.no_spice", lambda *_: "not here")
    for _ in range(2):
        succeeded(*WORDS, "both.csv", "--fetch-spice", *FAST)
    assert asked == [spice.ARCHIVE_URL]
    folder = files / "data" / "soundseek" / "spice"
    assert sorted(path.name for path in folder.iterdir()) == sorted(spice.PARSER_FILES)
    succeeded(*WORDS, "both.csv", "--fetch-spice", "--spice-folder", "mine", *FAST)
    assert len(asked) == 2
    assert spice.parser_files(files / "mine")


def test_a_damaged_parser(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from soundseek.cli.spice_parser import fetch_parser

    def fetch(file: Any, folder: Path) -> Path:
        (folder / file.name).write_bytes(b"no zip")
        return folder / file.name

    monkeypatch.setattr("soundseek.lab.data.downloads.fetch", fetch)
    with pytest.raises(DataError, match="is not SPICE's parser"):
        fetch_parser(files / "spice")
