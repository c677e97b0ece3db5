from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.data.manifest import (
    Clip,
    checked,
    read_clips_jsonl,
    read_parquet,
    select,
    write_parquet,
)

pytestmark = pytest.mark.lab

ROW: dict[str, Any] = {
    "id": "a",
    "file": "audio/a.opus",
    "duration_s": 1.5,
    "captions": ["a dog barks", "barking"],
    "names": ["dog"],
    "source": "made",
    "split": "train",
    "freesound_id": 42,
    "licence": "CC0",
    "group": "g",
    "label": "dog",
    "tier": "free",
    "caption_quality": 1,
    "author": "Ann",
    "source_url": "https://example.org/a",
}


def written(folder: Path, *lines: str | dict[str, Any]) -> Path:
    path = folder / "clips.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def test_a_row_becomes_a_clip(tmp_path: Path) -> None:
    (clip,) = read_clips_jsonl(written(tmp_path, ROW))
    assert clip == Clip(
        id="a",
        path=str(tmp_path / "audio" / "a.opus"),
        duration_s=1.5,
        captions=("a dog barks", "barking"),
        tags=("dog",),
        source="made",
        split="train",
        freesound_id="42",
        licence="CC0",
        group="g",
        label="dog",
        tier="free",
        caption_quality=1,
        author="Ann",
        origin="https://example.org/a",
    )


def test_ids_are_text_even_where_the_file_has_numbers(tmp_path: Path) -> None:
    (clip,) = read_clips_jsonl(written(tmp_path, ROW | {"id": 7, "freesound_id": None}))
    assert clip.id == "7"
    assert clip.freesound_id is None


def test_where_there_is_no_address_the_repository_is_the_origin(tmp_path: Path) -> None:
    row = ROW | {"source_url": None, "source_repo": "owner/sounds"}
    assert read_clips_jsonl(written(tmp_path, row))[0].origin == "owner/sounds"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{broken", "JSONDecodeError"),
        ("", "JSONDecodeError"),
        ("[1, 2]", "TypeError"),
        ({key: value for key, value in ROW.items() if key != "licence"}, "licence"),
        (ROW | {"id": "b", "duration_s": "long"}, "long"),
        (ROW | {"id": "b", "captions": None}, "TypeError"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str | dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=f"line 2: .*{said}"):
        read_clips_jsonl(written(tmp_path, ROW, line, ROW | {"id": "c"}))


def test_doubled_ids_are_counted_and_named(tmp_path: Path) -> None:
    rows = [ROW | {"id": name} for name in ("x", "y", "z", "y", "z", "z")]
    with pytest.raises(DataError, match="2 ids occur twice, the first is y"):
        read_clips_jsonl(written(tmp_path, *rows))


def test_an_unknown_split_is_named_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'dev'\n.*train, validation, test"):
        read_clips_jsonl(written(tmp_path, ROW | {"split": "dev"}))


def test_a_missing_list_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no clip list at .*none\.jsonl\n.*clips\.jsonl"):
        read_clips_jsonl(tmp_path / "none.jsonl")


def clip(name: str, **changes: Any) -> Clip:
    plain = Clip(
        id=name,
        path=f"/{name}.wav",
        duration_s=2.0,
        captions=("one", "two"),
        source="made",
        split="train",
        licence="CC0",
        group=name,
    )
    return replace(plain, **changes)


@pytest.mark.parametrize("clips", [[clip("a"), clip("b", label="dog", tags=("x",))], []])
def test_parquet_round_trip(tmp_path: Path, clips: list[Clip]) -> None:
    write_parquet(clips, tmp_path / "clips.parquet")
    assert read_parquet(tmp_path / "clips.parquet") == clips


def test_parquet_with_missing_columns(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=r"lacks the columns .*captions"):
        read_parquet(tmp_path / "bad.parquet")


def test_parquet_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no manifest at"):
        read_parquet(tmp_path / "none.parquet")


def test_select() -> None:
    clips = [
        clip("a", tier="free", caption_quality=2),
        clip("b", tier="shared", source="other"),
        clip("c", tier="free", split="test", caption_quality=0),
    ]

    def names(**conditions: Any) -> str:
        return "".join(one.id for one in select(clips, **conditions))

    assert names() == "abc"
    assert names(split="train") == "ab"
    assert names(tiers=["free"]) == "ac"
    assert names(sources=["other", "made"], min_quality=1) == "ab"
    assert names(split="test", tiers=["free"], min_quality=1) == ""


def test_checked_returns_the_clips() -> None:
    clips = [clip("a"), clip("b")]
    assert checked(clips, "here") is clips


def test_a_manifest_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_parquet([clip("a")], tmp_path / "new.parquet")
    table = pq.read_table(tmp_path / "new.parquet").replace_schema_metadata(None)
    pq.write_table(table.drop_columns(["has_audio", "youtube_id"]), tmp_path / "old.parquet")
    assert read_parquet(tmp_path / "old.parquet") == [clip("a")]


def test_a_manifest_of_a_later_version_is_refused(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write_parquet([clip("a")], tmp_path / "new.parquet")
    table = pq.read_table(tmp_path / "new.parquet")
    later = table.replace_schema_metadata({"soundseek.manifest": "3"})
    pq.write_table(later, tmp_path / "later.parquet")
    with pytest.raises(DataError, match=r"schema version 3, this soundseek reads up to 2"):
        read_parquet(tmp_path / "later.parquet")


def test_what_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(DataError, match=r"text\.parquet is no Parquet file"):
        read_parquet(tmp_path / "text.parquet")


def test_manifests_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'soundseek\[lab\]'"):
        write_parquet([clip("a")], tmp_path / "a.parquet")
