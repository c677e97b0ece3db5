"""All present files of a library in memory: to be browsed, counted and cut into pages at once."""

from __future__ import annotations

import bisect
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from soundseek.errors import QueryError
from soundseek.library.database import Database
from soundseek.library.query import Filters
from soundseek.library.schema import blob_to_path

Order = Literal["name", "duration", "newest"]
ORDERS: Final[tuple[Order, ...]] = ("name", "duration", "newest")

_SEPARATOR = os.sep.encode()


@dataclass(frozen=True, eq=False)
class Listing:
    """The present files of one revision, in order of their paths.

    Attributes:
        ids: int64 [n], rows of `files`.
        paths: n values of files.path, ascending.
        clip_ids: int64 [n].
        durations_s: float64 [n].
        formats: int16 [n], places in `format_names`.
        format_names: the formats that occur, by name.
    """

    ids: npt.NDArray[np.int64]
    paths: tuple[bytes, ...]
    clip_ids: npt.NDArray[np.int64]
    durations_s: npt.NDArray[np.float64]
    formats: npt.NDArray[np.int16]
    format_names: tuple[str, ...]

    @classmethod
    def of(cls, database: Database) -> Listing:
        """Read the files of a library; raises LibraryError if the database cannot be read."""
        # Two plain scans: a join would look every clip up, each on a page of its own.
        files = database.query(
            "SELECT id, path, clip_id FROM files"
            " WHERE state = 'present' AND clip_id IS NOT NULL ORDER BY path"
        )
        sounds = database.query("SELECT id, duration_s, format FROM clips ORDER BY id")
        names = sorted({row[2] for row in sounds})
        numbers = {name: number for number, name in enumerate(names)}
        known = np.fromiter((row[0] for row in sounds), np.int64, len(sounds))
        durations = np.fromiter((row[1] for row in sounds), np.float64, len(sounds))
        formats = np.fromiter((numbers[row[2]] for row in sounds), np.int16, len(sounds))
        clip_ids = np.fromiter((row[2] for row in files), np.int64, len(files))
        places = np.searchsorted(known, clip_ids)
        return cls(
            ids=np.fromiter((row[0] for row in files), np.int64, len(files)),
            paths=tuple(row[1] for row in files),
            clip_ids=clip_ids,
            durations_s=durations[places],
            formats=formats[places],
            format_names=tuple(names),
        )

    def __len__(self) -> int:
        return len(self.paths)

    def page(
        self, filters: Filters, *, order: Order = "name", offset: int = 0, limit: int = 50
    ) -> tuple[int, list[int]]:
        """Return how many files pass the filters, and the ids of some of them.

        "name" is by path, "duration" has the shortest first, "newest" what came in last. Files
        that are equal in that are by path. Raises QueryError for an unknown order.
        """
        passing = self.passing(filters)
        if order == "duration":
            passing = passing[np.argsort(self.durations_s[passing], kind="stable")]
        elif order == "newest":
            passing = passing[np.argsort(-self.ids[passing], kind="stable")]
        elif order != "name":
            raise QueryError(
                f"files cannot be sorted by {order!r}", remedy=f"choose one of {', '.join(ORDERS)}"
            )
        return len(passing), self.ids[passing[offset : offset + limit]].tolist()

    def passing(self, filters: Filters) -> npt.NDArray[np.int64]:
        """Return the places, ascending, of the files that pass."""
        mask = np.ones(len(self), dtype=np.bool_)
        if filters.min_duration_s is not None:
            mask &= self.durations_s >= filters.min_duration_s
        if filters.max_duration_s is not None:
            mask &= self.durations_s <= filters.max_duration_s
        if filters.formats:
            wanted = [i for i, name in enumerate(self.format_names) if name in filters.formats]
            mask &= np.isin(self.formats, wanted)
        if filters.folders:
            below = np.zeros(len(self), dtype=np.bool_)
            for folder in filters.folders:
                below[self._below(folder)] = True
            mask &= below
        return np.flatnonzero(mask)

    def _below(self, folder: bytes) -> slice:
        """Return which paths are below a folder: neighbours, since paths are sorted."""
        prefix = folder.rstrip(_SEPARATOR) + _SEPARATOR
        after = prefix[:-1] + bytes([prefix[-1] + 1])
        return slice(bisect.bisect_left(self.paths, prefix), bisect.bisect_left(self.paths, after))

    @cached_property
    def format_counts(self) -> tuple[tuple[str, int], ...]:
        """(format, number of files), the most frequent first."""
        counts = np.bincount(self.formats, minlength=len(self.format_names))
        named = zip(self.format_names, counts.tolist(), strict=True)
        return tuple(sorted((one for one in named if one[1]), key=lambda one: (-one[1], one[0])))

    @cached_property
    def seconds(self) -> float:
        """Seconds of sound, copies counted once."""
        _, first = np.unique(self.clip_ids, return_index=True)
        return float(self.durations_s[first].sum())

    def folder_counts(
        self, roots: Sequence[bytes], *, depth: int = 2, most: int = 500
    ) -> list[tuple[str, int]]:
        """Return (folder, number of files below it) of the roots and of the folders in them.

        `depth` is how many levels below a root are listed. Where there are more than `most`, the
        fullest are kept. In order of their paths.
        """
        counts: Counter[bytes] = Counter()
        for root in dict.fromkeys(root.rstrip(_SEPARATOR) for root in roots):
            inside = self._below(root)
            if inside.stop == inside.start:
                continue
            counts[root] = inside.stop - inside.start
            start = len(root) + 1
            for path in self.paths[inside]:
                end = start
                for _ in range(depth):
                    end = path.find(_SEPARATOR, end)
                    if end < 0:
                        break
                    counts[path[:end]] += 1
                    end += 1
        fullest = counts.most_common(most)
        return [(blob_to_path(folder), count) for folder, count in sorted(fullest)]
