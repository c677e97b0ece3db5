"""What upkeep and indexing tell: frozen dataclasses, each with `to_dict` for JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class _Report:
    """Gives a dataclass its `to_dict`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them, nested reports included."""
        fields: dict[str, Any] = dataclasses.asdict(self)  # type: ignore[call-overload]
        return fields


@dataclass(frozen=True)
class Failure(_Report):
    """A file or folder that could not be read: its absolute path, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Progress(_Report):
    """How far an index run is.

    Attributes:
        done: files read so far, the failed ones included.
        total: files to read; unchanged files are not among them.
        path: the file that was done last.
        audio_s: seconds of sound that were embedded so far.
        failed: files that could not be read so far.
        reason: why the file at `path` could not be read; None if it was.
    """

    done: int
    total: int
    path: str
    audio_s: float
    failed: int
    reason: str | None = None


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class IndexReport(_Report):
    """What an index run did, counted in files.

    Attributes:
        added: new paths, copies of known content included.
        unchanged: neither size nor time differ, or the content turned out to be the same.
        moved: new paths of known content whose old path is gone.
        changed: known paths with new content.
        missing: known paths that are gone since the last run.
        failed: what could not be read in this run.
        duration_s: seconds of sound that were embedded.
        seconds: how long the run took.
        interrupted: whether it was stopped before the end; what was done is kept.
    """

    added: int
    unchanged: int
    moved: int
    changed: int
    missing: int
    failed: tuple[Failure, ...]
    duration_s: float
    seconds: float
    interrupted: bool


@dataclass(frozen=True)
class CaptionReport(_Report):
    """What a captioner did, counted in clips.

    Attributes:
        captioned: clips that it was asked about in this run.
        known: clips that had a caption of it already.
        empty: of the captioned, those that it found no words for.
        captioner: its name.
        fingerprint: its fingerprint.
        seconds: how long the run took.
        interrupted: whether it was stopped before the end; what was done is kept.
    """

    captioned: int
    known: int
    empty: int
    captioner: str
    fingerprint: str
    seconds: float
    interrupted: bool


@dataclass(frozen=True)
class AddedCaptions(_Report):
    """What became of captions that people wrote.

    Attributes:
        added: captions that are new.
        known: captions that their clip has already.
        replaced: captions that had to go for these.
        clips: clips that the captions are of.
        unknown: files that are not in the library, or not told apart by their name.
    """

    added: int
    known: int
    replaced: int
    clips: int
    unknown: tuple[Failure, ...]


@dataclass(frozen=True)
class Status(_Report):
    """What a library holds.

    Attributes:
        clips: distinct contents.
        windows: window vectors of all clips.
        files: paths that are present.
        missing: paths that were gone at the last index run.
        failed: paths that could not be read.
        duration_s: seconds of sound in all clips.
        bundle: the name of the model that made the vectors.
        fingerprint: the fingerprint of that model.
        size_bytes: size of the library's folder.
        roots: the folders and files that were indexed.
        captioned: clips that have a caption.
    """

    clips: int
    windows: int
    files: int
    missing: int
    failed: int
    duration_s: float
    bundle: str
    fingerprint: str
    size_bytes: int
    roots: tuple[str, ...]
    captioned: int


@dataclass(frozen=True)
class VerifyReport(_Report):
    """The outcome of a check: `problems` in words, empty if all is well.

    Attributes:
        clips: clips that were checked.
        files: present files that were checked.
        deep: whether their contents were read and hashed.
        problems: what is wrong, with the remedy.
    """

    clips: int
    files: int
    deep: bool
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and `ok`."""
        return {"ok": self.ok, **super().to_dict()}
