"""A query as it was asked: checked at once, with all that it is allowed to match."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar

from soundseek.errors import QueryError
from soundseek.library.schema import path_to_blob

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float32]

AnyPath = str | PathLike[str]
Parameter = str | float | bytes
One = TypeVar("One", str, AnyPath)

MAX_CHARACTERS = 2000
"""Longer texts are refused: a model reads its first few dozen words only."""

CAPTIONS_WEIGHT = 0.2
"""How much captions count in a search unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which files may be hits. Make one with `checked_filters`.

    Attributes:
        min_duration_s: in seconds, of the whole file; None for any.
        max_duration_s: likewise.
        folders: absolute folders as in files.path, any of which the file must be below; () for any.
        formats: lower-case formats, any of which the file must have; () for any.
    """

    min_duration_s: float | None = None
    max_duration_s: float | None = None
    folders: tuple[bytes, ...] = ()
    formats: tuple[str, ...] = ()

    def condition(self) -> tuple[str, tuple[Parameter, ...]]:
        """Return an SQL condition over `files` and `clips`, and its parameters."""
        parts = ["files.state = 'present'", "files.clip_id IS NOT NULL"]
        parameters: list[Parameter] = []
        if self.min_duration_s is not None:
            parts.append("clips.duration_s >= ?")
            parameters.append(self.min_duration_s)
        if self.max_duration_s is not None:
            parts.append("clips.duration_s <= ?")
            parameters.append(self.max_duration_s)
        if self.formats:
            parts.append(f"clips.format IN ({', '.join('?' * len(self.formats))})")
            parameters += self.formats
        if self.folders:
            below = ["files.path >= ? AND files.path < ?"] * len(self.folders)
            parts.append(f"({' OR '.join(below)})")
            for folder in self.folders:
                prefix = folder.rstrip(_SEPARATOR) + _SEPARATOR
                # The first bytes that sort after everything that starts with the prefix.
                parameters += [prefix, prefix[:-1] + bytes([prefix[-1] + 1])]
        return " AND ".join(parts), tuple(parameters)


_SEPARATOR = os.sep.encode()


@dataclass(frozen=True, slots=True)
class Query:
    """One question to a library. Make one with `checked_query`.

    Attributes:
        text: what to hear; None if a sound says it all.
        like: a file to resemble; None if there is none.
        without: what not to hear; None for nothing.
        k: how many hits at most.
        filters: which files may be hits.
        hybrid: whether names, tags and captions count, too.
        like_weight: share of `like` beside `text`, 0 to 1.
        captions_weight: how much captions count beside the sound; 0 for not at all.
        generated_captions: whether those of a captioner count like those of people.
        offset: how many of the best are left out before the hits begin.
        like_vector: the vector [dimension] of a sound to resemble, instead of `like`.
    """

    text: str | None
    like: str | None
    without: str | None
    k: int
    filters: Filters
    hybrid: bool
    like_weight: float
    captions_weight: float
    generated_captions: bool = False
    offset: int = 0
    like_vector: FloatArray | None = field(default=None, compare=False)

    @property
    def has_sound(self) -> bool:
        """Whether a sound, and not only a text, says what to hear."""
        return self.like is not None or self.like_vector is not None


class SearchOptions(TypedDict, total=False):
    """How a search is narrowed and weighed, beside its text.

    Attributes:
        like: a file that the sound resembles, or the vector [dimension] of a sound, such as
            `Library.clip_vector` returns; alone, or blended with the text.
        without: a description of what should not be heard.
        k: how many hits at most; 10 if not given.
        offset: how many of the best are left out before the hits begin; 0 if not given.
        min_duration: in seconds, of the whole file.
        max_duration: likewise.
        folders: only files below one of these.
        formats: only files of these formats, such as "wav".
        hybrid: whether names, folders, tags and captions count, too; True if not given.
        like_weight: share of `like` beside a text, 0 to 1; 0.5 if not given.
        captions_weight: how much captions count beside the sound, 0 (not at all, neither their
            words nor their meaning) to 1 (as much); `CAPTIONS_WEIGHT` if not given.
        generated_captions: whether captions by a captioner count, too, and not those by people
            alone; False if not given, since those of the embedded captioner cost more than they
            give (docs/captioning-library.md).
    """

    like: AnyPath | FloatArray | None
    without: str | None
    k: int
    offset: int
    min_duration: float | None
    max_duration: float | None
    folders: Sequence[AnyPath | bytes] | AnyPath
    formats: Sequence[str] | str
    hybrid: bool
    like_weight: float
    captions_weight: float
    generated_captions: bool


def checked_query(
    text: str | None,
    *,
    like: AnyPath | FloatArray | None = None,
    without: str | None = None,
    k: int = 10,
    offset: int = 0,
    min_duration: float | None = None,
    max_duration: float | None = None,
    folders: Sequence[AnyPath | bytes] | AnyPath = (),
    formats: Sequence[str] | str = (),
    hybrid: bool = True,
    like_weight: float = 0.5,
    captions_weight: float = CAPTIONS_WEIGHT,
    generated_captions: bool = False,
) -> Query:
    """Return the query; raises `QueryError` naming the value that makes no sense."""
    filters = checked_filters(
        min_duration=min_duration, max_duration=max_duration, folders=folders, formats=formats
    )
    if text is None and like is None:
        raise QueryError("there is nothing to search for", remedy="give a text or a sound to like")
    if text is not None:
        check_text(text)
    if without is not None:
        check_text(without, "the unwanted sound")
    check_k(k)
    if isinstance(offset, float) or offset < 0:
        raise QueryError(f"offset is {offset}", remedy="leave out 0 hits or more")
    if not 0 <= like_weight <= 1:
        raise QueryError(
            f"like_weight is {like_weight}", remedy="give 0 (the text alone) to 1 (the sound alone)"
        )
    if not 0 <= captions_weight <= 1:
        raise QueryError(
            f"captions_weight is {captions_weight}",
            remedy="give 0 (captions do not count) to 1 (they count as much as the sound)",
        )
    return Query(
        text,
        fspath(like) if isinstance(like, str | PathLike) else None,
        without,
        k,
        filters,
        hybrid,
        like_weight,
        captions_weight,
        generated_captions,
        offset,
        None if like is None or isinstance(like, str | PathLike) else _unit(like),
    )


def _unit(vector: FloatArray) -> FloatArray:
    """Return the vector of a sound, L2-normalised; its length is compared when it is used."""
    import numpy as np

    length = float(np.linalg.norm(vector)) if vector.ndim == 1 else 0.0
    if not (math.isfinite(length) and length > 0):
        raise QueryError(
            "the vector of the sound to resemble is not one of finite length",
            remedy="give an array [dimension] as Bundle.encode_audio returns for one sound",
        )
    return np.asarray(vector / length, dtype=np.float32)


def checked_filters(
    *,
    min_duration: float | None = None,
    max_duration: float | None = None,
    folders: Sequence[AnyPath | bytes] | AnyPath = (),
    formats: Sequence[str] | str = (),
) -> Filters:
    """Return the filters; raises `QueryError` for durations that make no sense.

    Folders are absolute or relative to the current one, as given and with links followed; one
    that is not in the library matches nothing. Bytes are a folder as in files.path, which is not
    looked for on the disk. Formats may have a dot and capitals.
    """
    for name, value in (("min_duration", min_duration), ("max_duration", max_duration)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise QueryError(f"{name} is {value}", remedy="give seconds, 0 or more")
    if min_duration is not None and max_duration is not None and min_duration > max_duration:
        raise QueryError(
            f"no sound lasts at least {min_duration:g} s and at most {max_duration:g} s",
            remedy="swap min_duration and max_duration",
        )
    spellings = [
        blob
        for folder in ([folders] if isinstance(folders, str | PathLike) else folders)
        for blob in ((folder,) if isinstance(folder, bytes) else path_spellings(folder))
    ]
    return Filters(
        min_duration,
        max_duration,
        tuple(dict.fromkeys(spellings)),
        tuple(dict.fromkeys(name.strip().lower().lstrip(".") for name in as_list(formats))),
    )


def as_list(values: Sequence[One] | One) -> list[One]:
    """Return several paths or words as a list; a single one is taken whole, not by characters."""
    return [values] if isinstance(values, str | PathLike) else list(values)


def check_text(text: str, what: str = "the query") -> None:
    """Raise `QueryError` for what is no text, is empty, or too long."""
    if not isinstance(text, str):
        raise QueryError(f"{what} is of type {type(text).__name__}", remedy="give a text")
    if not text.strip():
        raise QueryError(f"{what} is empty", remedy='describe a sound: "rain on a tin roof"')
    if len(text) > MAX_CHARACTERS:
        raise QueryError(
            f"{what} has {len(text):,} characters, {MAX_CHARACTERS:,} are the limit",
            remedy="describe the sound in a sentence",
        )


def check_k(k: int) -> None:
    """Raise `QueryError` unless a whole number of hits is asked for, at least one."""
    if isinstance(k, float) or k < 1:
        raise QueryError(f"k is {k}", remedy="ask for at least 1 hit")


def path_spellings(path: AnyPath) -> tuple[bytes, ...]:
    """Return `path` as files.path may have it: absolute, and with links followed."""
    try:
        absolute = Path(path).expanduser().absolute()
        spellings = (os.path.normpath(absolute), os.path.realpath(absolute))
    except (OSError, RuntimeError, ValueError):  # a loop of links, no home, a NUL in the name
        return ()
    return tuple(dict.fromkeys(path_to_blob(spelling) for spelling in spellings))
