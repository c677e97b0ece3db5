"""Finding sounds below folders, without opening any file."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePath
from typing import Final

from soundseek.audio.source import printable
from soundseek.errors import LibraryError
from soundseek.library.reports import Failure

_LIBSNDFILE = "aif aifc aiff au caf flac mp3 oga ogg opus rf64 snd voc w64 wav wave"
_FFMPEG_SOUND = "aac ac3 adts amr ape dts eac3 m4a m4b mka mp2 mpc ra spx tta wma wv"
_FFMPEG_VIDEO = "3gp asf avi flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv"
EXTENSIONS: Final = frozenset(f"{_LIBSNDFILE} {_FFMPEG_SOUND} {_FFMPEG_VIDEO}".split())
"""Endings, in lower case and without the dot, of the files that are taken for sounds."""


@dataclass(frozen=True)
class Found:
    """A file to index: its absolute path, the root it was found under, and what `stat` said."""

    path: str
    root: str
    size: int
    mtime_ns: int


@dataclass
class Scan:
    """What a scan brought: files in order of their paths, and what could not be looked into."""

    files: list[Found] = field(default_factory=list)
    problems: list[Failure] = field(default_factory=list)


def scan(
    roots: Sequence[str],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    skip: str | None = None,
) -> Scan:
    """Find the sounds below the absolute paths `roots`, each folder and file once.

    Taken are files with one of `EXTENSIONS` that match a glob of `include` (if there are any) and
    none of `exclude`; globs ignore case and are compared with the name, or with the path below
    the root if they contain "/"; `exclude` also drops whole folders. Hidden files and folders and
    the folder `skip` are left out. A root that is a file is taken as it is. Links to folders are
    followed, after all true folders, so that a file is known by its own path where it has one.

    Raises LibraryError if a root is missing.
    """
    return _Scanner(include, exclude, skip).run(roots)


class _Scanner:
    def __init__(self, include: Sequence[str], exclude: Sequence[str], skip: str | None) -> None:
        self._include = [glob.lower().rstrip("/") for glob in include]
        self._exclude = [glob.lower().rstrip("/") for glob in exclude]
        self._seen: set[tuple[int, int]] = set()  # folders, by device and inode
        if skip is not None and (identity := _identity(skip)) is not None:
            self._seen.add(identity)
        self._links: deque[tuple[str, str]] = deque()  # (folder, root)
        self._found: dict[str, Found] = {}
        self._problems: list[Failure] = []

    def run(self, roots: Sequence[str]) -> Scan:
        for root in roots:
            try:
                is_folder = stat.S_ISDIR(os.stat(root).st_mode)  # noqa: PTH116
            except (OSError, ValueError) as error:
                raise LibraryError(
                    f"cannot index {printable(Path(root))}: {_reason(error)}",
                    remedy="check the path",
                ) from error
            if is_folder:
                self._walk(root, root)
            else:
                self._take(root, str(PurePath(root).parent))
        while self._links:
            self._walk(*self._links.popleft())
        ordered = sorted(self._found.values(), key=lambda found: found.path)
        return Scan(ordered, self._problems)

    def _walk(self, top: str, root: str) -> None:
        pending = [top]
        while pending:
            folder = pending.pop()
            identity = _identity(folder)
            if identity in self._seen:
                continue
            if identity is not None:
                self._seen.add(identity)
            for entry in self._entries(folder):
                self._visit(entry, root, pending)

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                yield from entries
        except OSError as error:
            self._problems.append(Failure(folder, _reason(error)))

    def _visit(self, entry: os.DirEntry[str], root: str, pending: list[str]) -> None:
        if entry.name.startswith("."):
            return
        try:
            is_folder = entry.is_dir()
        except OSError as error:
            self._problems.append(Failure(entry.path, _reason(error)))
            return
        relative = entry.path[len(root) :].lstrip(os.sep).replace(os.sep, "/")
        if _matches(entry.name, relative, self._exclude):
            return
        if is_folder:
            if entry.is_symlink():
                self._links.append((entry.path, root))
            else:
                pending.append(entry.path)
        elif _has_extension(entry.name) and (
            not self._include or _matches(entry.name, relative, self._include)
        ):
            self._take(entry.path, root)

    def _take(self, path: str, root: str) -> None:
        if path in self._found:
            return
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError as error:
            self._problems.append(Failure(path, _reason(error)))
            return
        if not stat.S_ISREG(status.st_mode):
            self._problems.append(Failure(path, "is a device or pipe, not a file"))
            return
        self._found[path] = Found(path, root, status.st_size, status.st_mtime_ns)


def _has_extension(name: str) -> bool:
    return name.rpartition(".")[2].lower() in EXTENSIONS and "." in name


def _matches(name: str, relative: str, globs: Sequence[str]) -> bool:
    return any(
        fnmatchcase((relative if "/" in glob else name).lower(), glob.lstrip("/")) for glob in globs
    )


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file or folder"
    return getattr(error, "strerror", None) or str(error)
