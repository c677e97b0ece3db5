"""Which clips a run trained on and was chosen by, counted, in its folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from soundseek.errors import DataError
from soundseek.lab.data.manifest import Clip

CLIPS: Final = "clips.json"


def write_clips(
    folder: Path,
    stage: str,
    parts: Mapping[str, Iterable[Clip]],
    left_out: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Note the clips of a stage in clips.json of a run's folder; returns the file.

    `parts` by name (`training`, `validation`, `test`); `left_out`: id → reason of clips that could
    not be read. A stage that is noted again takes the place of what was there.
    """
    file = folder / CLIPS
    noted = {part: _counted(clips) for part, clips in parts.items()}
    document = read_clips(folder) | {stage: {"parts": noted, "left_out": dict(left_out)}}
    draft = file.with_suffix(".partial")
    draft.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(file)
    return file


def read_clips(folder: Path) -> dict[str, Any]:
    """Stage → what `write_clips` noted; empty where it noted nothing.

    Raises `DataError` for a damaged file.
    """
    file = folder / CLIPS
    if not file.is_file():
        return {}
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        # What readers rely on.
        for stage in document.values():
            for part in stage["parts"].values():
                _ = part["clips"], part["captions"], part["hours"], part["sources"]
            _ = dict(stage["left_out"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} is damaged: {error!r}", remedy="remove it") from error
    return dict(document)


def _counted(clips: Iterable[Clip]) -> dict[str, Any]:
    listed = list(clips)
    return {
        "clips": len(listed),
        "captions": sum(len(clip.captions) for clip in listed),
        "hours": round(sum(clip.duration_s for clip in listed) / 3600, 4),
        "sources": dict(sorted(Counter(clip.source for clip in listed).items())),
    }
