"""Sounds that are in a library more than once: identical files, and versions of one sound."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from soundseek.errors import LibraryError, QueryError
from soundseek.library.database import Database
from soundseek.library.schema import blob_to_path

FloatArray = npt.NDArray[np.float32]

# Encoders pad and cut a little at both ends, and a player's speed differs by this much at most.
_DURATION_SLACK_S = 0.25
_DURATION_SLACK = 0.02
_BLOCK_CLIPS = 512


@dataclass(frozen=True, slots=True)
class DuplicateFile:
    """One file of a group, with what helps to choose which to keep.

    Attributes:
        path: absolute.
        sha256: of the file's bytes, in hex: the same for identical files.
        size_bytes: of the file.
        duration_s: in seconds.
        format: such as "wav".
        sample_rate: in Hz.
        channels: of the file.
    """

    path: str
    sha256: str
    size_bytes: int
    duration_s: float
    format: str
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Two or more files with one sound.

    Attributes:
        kind: "exact" if their bytes are the same, "near" if they only sound nearly the same.
        similarity: each file resembles another one of the group at least so much (cosine of clip
            vectors); 1 for "exact".
        files: by path.
    """

    kind: Literal["exact", "near"]
    similarity: float
    files: tuple[DuplicateFile, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return dataclasses.asdict(self)


def find_duplicates(database: Database, *, threshold: float = 0.99) -> list[DuplicateGroup]:
    """Return the groups of present files with one sound, identical ones first, then most alike.

    Files with the same bytes are one clip. Clips are near duplicates if the cosine of their
    vectors is at least `threshold` and their lengths differ by no more than 0.25 s or 2 %: a
    conversion to another format or rate passes, another recording of the same thing does not.
    Groups are closed: if A resembles B and B resembles C, all three are in one. With threshold 1
    only identical files are reported.

    Raises QueryError for a threshold outside 0 … 1, LibraryError for damaged vectors.
    """
    if not 0 < threshold <= 1:
        raise QueryError(
            f"the threshold is {threshold}", remedy="give a number above 0 and up to 1, like 0.99"
        )
    files = _files(database)
    groups = _identical(files) if threshold == 1 else _alike(database, files, threshold)
    return sorted(groups, key=lambda group: (group.kind, -group.similarity, group.files[0].path))


def _identical(files: dict[int, list[DuplicateFile]]) -> list[DuplicateGroup]:
    several = (copies for copies in files.values() if len(copies) > 1)
    return [DuplicateGroup("exact", 1.0, tuple(copies)) for copies in several]


def _alike(
    database: Database, files: dict[int, list[DuplicateFile]], threshold: float
) -> list[DuplicateGroup]:
    clip_ids, durations, vectors = _clips(database)
    groups: list[DuplicateGroup] = []
    for members in _groups(_labels(vectors, durations, threshold)):
        together = [file for place in members for file in files[clip_ids[place]]]
        if len(together) > 1:
            groups.append(
                DuplicateGroup(
                    "exact" if len(members) == 1 else "near",
                    _least_similarity(vectors[members]),
                    tuple(sorted(together, key=lambda file: file.path)),
                )
            )
    return groups


def _files(database: Database) -> dict[int, list[DuplicateFile]]:
    files: dict[int, list[DuplicateFile]] = defaultdict(list)
    for clip_id, path, content_hash, *facts in database.query(
        "SELECT clips.id, files.path, clips.content_hash, files.size, clips.duration_s,"
        " clips.format, clips.sample_rate, clips.channels"
        " FROM files JOIN clips ON clips.id = files.clip_id WHERE files.state = 'present'"
        " ORDER BY files.path"
    ):
        files[clip_id].append(DuplicateFile(blob_to_path(path), content_hash.hex(), *facts))
    return files


def _clips(database: Database) -> tuple[list[int], npt.NDArray[np.float64], FloatArray]:
    """Return ids, durations [n] and vectors [n, dimension] of clips with a file, by duration."""
    dimension = int(database.meta()["dimension"])
    rows = database.query(
        "SELECT id, duration_s, vector FROM clips WHERE n_windows > 0 AND EXISTS"
        " (SELECT 1 FROM files WHERE files.clip_id = clips.id AND files.state = 'present')"
        " ORDER BY duration_s, id"
    )
    for clip_id, _, blob in rows:
        if len(blob) != 2 * dimension:
            raise LibraryError(
                f"clip {clip_id} of the library {database.path} has a damaged vector",
                remedy="see what else is: soundseek library verify",
            )
    vectors = np.frombuffer(b"".join(row[2] for row in rows), dtype="<f2").astype(np.float32)
    vectors = vectors.reshape(-1, dimension)
    # In half precision, lengths differ from 1 by enough to matter for a threshold of 0.999.
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    durations = np.array([row[1] for row in rows], dtype=np.float64)
    return [row[0] for row in rows], durations, vectors


def _labels(
    vectors: FloatArray, durations: npt.NDArray[np.float64], threshold: float
) -> npt.NDArray[np.int64]:
    """Return labels [n] that are the same for clips that are connected by pairs which sound alike
    and are about equally long; `durations` [n] ascend.

    Only clips near in order of duration are compared, and no list of pairs is kept: a thousand
    silent clips make half a million.
    """
    labels = np.arange(len(vectors), dtype=np.int64)
    longest = durations + np.maximum(_DURATION_SLACK_S, _DURATION_SLACK * durations)
    ends = np.searchsorted(durations, longest, side="right")
    for start in range(0, len(vectors), _BLOCK_CLIPS):
        rows = np.arange(start, min(start + _BLOCK_CLIPS, len(vectors)))
        for other in range(start, int(ends[rows[-1]]), _BLOCK_CLIPS):
            columns = np.arange(other, min(other + _BLOCK_CLIPS, int(ends[rows[-1]])))
            alike = vectors[rows] @ vectors[columns].T >= threshold
            alike &= (columns > rows[:, np.newaxis]) & (columns < ends[rows, np.newaxis])
            for row in np.flatnonzero(alike.any(axis=1)):
                joined = np.unique(labels[np.append(columns[alike[row]], rows[row])])
                if joined.size > 1:
                    labels[np.isin(labels, joined)] = joined[0]
    return labels


def _groups(labels: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Return the places [n] of each label."""
    order = np.argsort(labels, kind="stable")
    borders = np.flatnonzero(np.diff(labels[order])) + 1
    return np.split(order, borders) if order.size else []


def _least_similarity(vectors: FloatArray) -> float:
    """Return how alike each of the vectors [n, dimension] is to the one nearest to it, at least."""
    least = 1.0
    for start in range(0, len(vectors) if len(vectors) > 1 else 0, _BLOCK_CLIPS):
        cosines = vectors[start : start + _BLOCK_CLIPS] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -1.0
        least = min(least, float(cosines.max(axis=1).min()))
    return least
