"""The names by which one recording is known in several corpora, always as text.

Freesound numbers its sounds, AudioSet names a clip by its YouTube id, and Clotho names files after
Freesound titles. Tables write the same id as 42, "42" or 42.0, and "Not found" where there is none.
"""

from __future__ import annotations

import html
import re
from pathlib import PurePosixPath

SOUND_SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("aac", "aif", "aiff", "flac", "m4a", "mka", "mkv", "mp3", "mp4"),
        *("oga", "ogg", "opus", "wav", "webm", "wma"),
    )
)

_NO_ID = frozenset({"", "-", "n/a", "na", "nan", "none", "not found", "null", "unknown"})
_WHOLE = re.compile(r"(\d+)(?:\.0+)?")
_YOUTUBE = re.compile(r"[\w-]{11}", re.ASCII)


def freesound_id(value: object) -> str | None:
    """A Freesound id as text, or None where the table has none ("Not found", "", NaN, None).

    Leading zeros go, since Freesound's numbers have none.
    """
    text = "" if value is None else str(value).strip()
    if text.lower() in _NO_ID:
        return None
    whole = _WHOLE.fullmatch(text)
    return (whole[1].lstrip("0") or "0") if whole else text


def youtube_id(name: object) -> str | None:
    """The YouTube id (11 characters) in "r1nicOVtvkQ" or AudioSet's "Yr1nicOVtvkQ.wav", or None."""
    stem = without_sound_suffix(str(name).strip())
    if len(stem) == 12 and stem[0] == "Y":
        stem = stem[1:]
    return stem if _YOUTUBE.fullmatch(stem) else None


def file_key(name: str) -> str:
    """What two spellings of one file's name share: no folder, no ending of a sound, no HTML
    entities, no space at the ends, no capitals."""
    plain = html.unescape(name).strip()
    return without_sound_suffix(PurePosixPath(plain).name).strip().casefold()


def without_sound_suffix(name: str) -> str:
    """A file's name without the ending of a sound file; other endings stay."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and stem and f".{ending.lower()}" in SOUND_SUFFIXES else name
