from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.data.manifest import Clip
from soundseek.lab.run_clips import read_clips, write_clips

pytestmark = pytest.mark.lab


def clip(name: str, source: str, captions: int, duration_s: float) -> Any:
    return Clip(
        id=name,
        path=f"{name}.wav",
        duration_s=duration_s,
        captions=("a sound",) * captions,
        source=source,
        split="train",
        licence="CC0",
        group=name,
    )


def test_clips_are_counted_by_stage_and_part(tmp_path: Path) -> None:
    assert read_clips(tmp_path) == {}
    clips = [clip("a", "z", 2, 1800.0), clip("b", "y", 1, 900.0), clip("c", "z", 1, 900.0)]
    write_clips(tmp_path, "one", {"training": clips[:1]})
    write_clips(tmp_path, "two", {"training": clips, "validation": []}, {"d": "no such file"})
    write_clips(tmp_path, "one", {"training": clips[1:]})
    found = read_clips(tmp_path)
    assert list(found) == ["one", "two"]
    assert found["one"]["parts"]["training"]["clips"] == 2
    assert found["two"] == {
        "parts": {
            "training": {"clips": 3, "captions": 4, "hours": 1.0, "sources": {"y": 1, "z": 2}},
            "validation": {"clips": 0, "captions": 0, "hours": 0, "sources": {}},
        },
        "left_out": {"d": "no such file"},
    }
    assert [path.name for path in tmp_path.iterdir()] == ["clips.json"]


@pytest.mark.parametrize("text", ["{", "[]", '{"one": 1}', '{"one": {"parts": {"a": {}}}}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "clips.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"clips\.json is damaged"):
        read_clips(tmp_path)
