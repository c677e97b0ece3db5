"""What the library knows of clips, as the API tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from soundseek.library.captions import USER, best_captions
from soundseek.library.schema import blob_to_path, split_tags
from soundseek.serve import schemas
from soundseek.serve.finding import place, shown
from soundseek.serve.stored_files import StoredFile

if TYPE_CHECKING:
    from soundseek.library.database import Database

_PER_STATEMENT = 500


def summaries(database: Database, ids: Sequence[int]) -> list[schemas.ClipSummary]:
    """Return present files by their ids, in this order; those that are gone are left out."""
    found: dict[int, schemas.ClipSummary] = {}
    for start in range(0, len(ids), _PER_STATEMENT):
        part = tuple(ids[start : start + _PER_STATEMENT])
        rows = database.query(
            "SELECT files.id, files.path, files.size, files.tags, clips.id, clips.duration_s,"
            " clips.sample_rate, clips.channels, clips.format"
            " FROM files JOIN clips ON clips.id = files.clip_id"
            f" WHERE files.state = 'present' AND files.id IN ({', '.join('?' * len(part))})",
            part,
        )
        captions = best_captions(database, [row[4] for row in rows])
        for file_id, path, size, tags, clip_id, duration_s, rate, channels, kind in rows:
            found[file_id] = schemas.ClipSummary(
                **place(blob_to_path(path)),
                id=str(file_id),
                duration_s=duration_s,
                sample_rate=rate,
                channels=channels,
                format=kind,
                tags=list(split_tags(tags)),
                size_bytes=size,
                caption=captions.get(clip_id),
            )
    return [found[file_id] for file_id in ids if file_id in found]


def described(
    database: Database, file: StoredFile, attribution: schemas.Attribution
) -> schemas.Clip:
    """Return all that is known of a file."""
    return schemas.Clip(
        **place(file.path),
        id=file.id,
        duration_s=file.duration_s,
        sample_rate=file.sample_rate,
        channels=file.channels,
        format=file.format,
        tags=list(file.tags),
        size_bytes=file.size,
        content_hash=file.content_hash,
        captions=captions_of(database, file.clip_id),
        attribution=attribution,
    )


def captions_of(database: Database, clip_id: int) -> list[schemas.CaptionOf]:
    """Return what is said of a clip, by people first."""
    if not database.has_captions():
        return []
    rows = database.query(
        "SELECT text, source, score FROM captions WHERE clip_id = ? AND text <> ''"
        " ORDER BY source <> 'user', id",
        (clip_id,),
    )
    return [
        schemas.CaptionOf(text=text, source="user" if source == USER else "captioner", score=score)
        for text, source, score in rows
    ]


def attribution_of(file: StoredFile, handle: BinaryIO) -> schemas.Attribution:
    """Return whom to name for a sound, from the texts in the file itself.

    A tag of the library like "licence:CC-BY-4.0" or "by:somebody" comes first.
    """
    said = _tagged(file.tags) | {}
    for key, value in _embedded(handle).items():
        said.setdefault(key, value)
    credit = [said[key] for key in ("title", "by", "copyright") if said.get(key)]
    return schemas.Attribution(
        text=shown(" · ".join(dict.fromkeys(credit))) or None,
        licence=shown(said["licence"]) if said.get("licence") else None,
    )


NO_ATTRIBUTION = schemas.Attribution(text=None, licence=None)


def _tagged(tags: Sequence[str]) -> dict[str, str]:
    keys = {"licence": "licence", "license": "licence", "by": "by", "author": "by"}
    said: dict[str, str] = {}
    for tag in tags:
        key, colon, value = tag.partition(":")
        if colon and key.strip().lower() in keys and value.strip():
            said.setdefault(keys[key.strip().lower()], value.strip())
    return said


def _embedded(handle: BinaryIO) -> dict[str, str]:
    import soundfile

    try:
        with soundfile.SoundFile(handle) as sound:
            texts = {
                "title": sound.title,
                "by": sound.artist,
                "copyright": sound.copyright,
                "licence": sound.license,
            }
    except (soundfile.LibsndfileError, UnicodeDecodeError, RuntimeError):
        return {}  # a format that libsndfile does not read says nothing here
    return {key: " ".join(value.split()) for key, value in texts.items() if value.strip()}
