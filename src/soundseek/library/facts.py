"""What the database knows of the clips that become hits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soundseek.library.captions import best_captions
from soundseek.library.database import Database
from soundseek.library.query import Filters
from soundseek.library.schema import blob_to_path, split_tags

_CLIPS_PER_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class SoundFacts:
    """A clip by its first file that passes the filters; the fields are those of `Hit`."""

    path: str
    also: tuple[str, ...]
    tags: tuple[str, ...]
    caption: str | None
    duration_s: float
    format: str
    sample_rate: int
    channels: int


def sound_facts(
    database: Database, clip_ids: Sequence[int], filters: Filters
) -> dict[int, SoundFacts]:
    """Return, for each of the clips that has a file which passes, what a hit tells of it."""
    facts: dict[int, SoundFacts] = {}
    for start in range(0, len(clip_ids), _CLIPS_PER_STATEMENT):
        facts.update(
            _facts(database, tuple(clip_ids[start : start + _CLIPS_PER_STATEMENT]), filters)
        )
    return facts


def _facts(
    database: Database, clip_ids: tuple[int, ...], filters: Filters
) -> dict[int, SoundFacts]:
    condition, parameters = filters.condition()
    among = f"files.clip_id IN ({', '.join('?' * len(clip_ids))})"
    paths: dict[int, list[bytes]] = {}
    for clip_id, path in database.query(
        f"SELECT clip_id, path FROM files WHERE state = 'present' AND {among} ORDER BY path",
        clip_ids,
    ):
        paths.setdefault(clip_id, []).append(path)
    captions = best_captions(database, clip_ids)
    facts: dict[int, SoundFacts] = {}
    for clip_id, path, tags, *sound in database.query(
        "SELECT files.clip_id, files.path, files.tags, clips.duration_s, clips.format,"
        " clips.sample_rate, clips.channels"
        " FROM files JOIN clips ON clips.id = files.clip_id"
        f" WHERE {among} AND {condition} ORDER BY files.path",
        (*clip_ids, *parameters),
    ):
        if clip_id not in facts:
            also = tuple(blob_to_path(other) for other in paths[clip_id] if other != path)
            told = (blob_to_path(path), also, split_tags(tags), captions.get(clip_id))
            facts[clip_id] = SoundFacts(*told, *sound)
    return facts
