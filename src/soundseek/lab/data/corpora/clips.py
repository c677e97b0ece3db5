"""A folder with soundseek's own `clips.jsonl`, see `read_clips_jsonl`."""

from __future__ import annotations

from pathlib import Path

from soundseek.lab.data.manifest import Clip, read_clips_jsonl


def read(root: Path) -> list[Clip]:
    """The clips as the list has them, groups and splits included."""
    return read_clips_jsonl(root / "clips.jsonl" if root.is_dir() else root)
