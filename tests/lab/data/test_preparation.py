from __future__ import annotations

import json
from pathlib import Path

import pytest

from soundseek.errors import DataError
from soundseek.lab.data.exclusion import ExclusionList
from soundseek.lab.data.manifest import read_parquet
from soundseek.lab.data.preparation import exclusion_list, prepare_corpus
from support.corpora import write_wav

pytest.importorskip("pyarrow")

pytestmark = pytest.mark.lab


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    for name in ("7__ann__rain.wav", "8__ann__wind.wav", "test/9__ann__rain.wav"):
        write_wav(tmp_path / "sounds" / name)
    return tmp_path / "sounds"


def test_a_manifest_and_its_report(sounds: Path, tmp_path: Path) -> None:
    (sounds / "bad.wav").write_bytes(b"nothing")
    out = tmp_path / "made" / "mine.parquet"
    made = prepare_corpus(
        "folder",
        sounds,
        out,
        audio="present",
        options={"licence": "CC0"},
        exclusions=[ExclusionList("mine", frozenset({"8"}))],
    )
    assert read_parquet(out) == made.clips
    assert [clip.freesound_id for clip in made.clips] == ["7", "9"]
    report = json.loads(made.report.read_text())
    assert made.report == out.with_suffix(".json")
    assert (report["corpus"], report["clips"], report["schema_version"]) == ("folder", 2, 1)
    assert report["options"] == {"licence": "CC0"}
    assert report["root"] == str(sounds)
    assert list(report["without_sound"]) == ["sounds/bad.wav"]
    assert report["exclusion"]["clips"] == ["sounds/8__ann__wind.wav"]
    assert report["statistics"]["all"]["clips"] == 2
    assert [one["subject"] for one in report["hygiene"]["captions_crossing"]] == ["rain"]
    assert {path.name for path in out.parent.iterdir()} == {"mine.parquet", "mine.json"}


def test_nothing_is_written_when_a_list_excludes_nothing(sounds: Path, tmp_path: Path) -> None:
    idle = ExclusionList("idle", frozenset({"1"}))
    out = tmp_path / "mine.parquet"
    with pytest.raises(DataError, match="idle excluded nothing"):
        prepare_corpus("folder", sounds, out, exclusions=[idle])
    assert not out.exists()
    made = prepare_corpus("folder", sounds, out, exclusions=[idle], must_exclude=False)
    assert made.exclusion.excluded_nothing == ("idle",)


def test_something_must_remain(sounds: Path, tmp_path: Path) -> None:
    everything = ExclusionList("all", frozenset({"7", "8", "9"}))
    with pytest.raises(DataError, match="all 3 clips of folder were excluded"):
        prepare_corpus("folder", sounds, tmp_path / "x.parquet", exclusions=[everything])


def test_the_manifests_name_is_checked_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ends in \.parquet"):
        prepare_corpus("folder", tmp_path / "none", tmp_path / "mine.json")


def test_lists_by_file_and_by_name(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("42\n")
    assert exclusion_list(str(tmp_path / "ids.txt")).freesound_ids == {"42"}
    with pytest.raises(DataError, match=r"clotho_all is made of .* and .*\n.*--lists"):
        exclusion_list("clotho_all")
    with pytest.raises(DataError, match="lacks blacklist"):
        exclusion_list("clotho_all", tmp_path)
    with pytest.raises(DataError, match=r"neither a file nor a known set\n.*clotho_all"):
        exclusion_list("clotho")
