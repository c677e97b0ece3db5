"""How alike every query is to every clip, and the folder in which that is kept.

What evaluates, compares and joins systems reads these folders: no model and no sound is needed
any more.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import DataError
from soundseek.lab.data.manifest import Clip
from soundseek.lab.evaluate import queries_of
from soundseek.metrics.retrieval import Metric, retrieval_metrics

_Floats = NDArray[np.float32]
SCHEMA_VERSION: Final = 1
_INDEX, _SCORES, _AUDIO, _TEXT = "similarities.json", "scores.npy", "audio.npy", "text.npy"


class Sound(Protocol):
    """What is known of a scored clip; a `Clip` of the manifest is one."""

    @property
    def id(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def start_s(self) -> float: ...
    @property
    def duration_s(self) -> float: ...


@dataclass(frozen=True)
class ListedSound:
    """A clip as a folder of similarities lists it."""

    id: str
    path: str
    start_s: float
    duration_s: float


@dataclass(frozen=True)
class Similarities:
    """`scores` float32 `[queries, clips]`, larger is more alike; `relevant` bool of that shape.

    `audio` `[clips, dimension]` and `text` `[queries, dimension]` are the embeddings whose products
    the scores are, None where there are none (ensembles, captions compared with captions).
    """

    queries: Sequence[str]
    clips: Sequence[Sound]
    scores: _Floats
    relevant: NDArray[np.bool_]
    audio: _Floats | None = None
    text: _Floats | None = None

    def metrics(self) -> dict[str, Metric]:
        """Text → audio retrieval figures with 95 % intervals."""
        return retrieval_metrics(self.scores, self.relevant)

    def save(self, folder: Path) -> None:
        """Write the folder anew, beside its place first: a killed run leaves the old one or none.

        similarities.json (queries, clips, relevant clips of each query), scores.npy, and audio.npy
        and text.npy where there are embeddings.
        """
        write_similarities(
            folder,
            self.queries,
            self.clips,
            self.relevant,
            (self.scores,),
            audio=self.audio,
            text=self.text,
        )


def write_similarities(
    folder: Path,
    queries: Sequence[str],
    clips: Sequence[Sound],
    relevant: NDArray[np.bool_],
    blocks: Iterable[_Floats],
    *,
    audio: _Floats | None = None,
    text: _Floats | None = None,
) -> None:
    """As `Similarities.save`, of scores that come in blocks of rows and are never all in memory.

    Raises `DataError` when the blocks do not make `[queries, clips]`.
    """
    draft = folder.with_name(folder.name + ".partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        write_matrix(draft / _SCORES, (len(queries), len(clips)), blocks)
        for file, vectors in ((_AUDIO, audio), (_TEXT, text)):
            if vectors is not None:
                np.save(draft / file, np.asarray(vectors, np.float32))
        document = {
            "schema_version": SCHEMA_VERSION,
            "queries": list(queries),
            "clips": [[clip.id, str(clip.path), clip.start_s, clip.duration_s] for clip in clips],
            "relevant": [np.flatnonzero(row).tolist() for row in relevant],
        }
        (draft / _INDEX).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    draft.replace(folder)


def is_similarities(folder: str | Path) -> bool:
    """Whether a folder looks like one that `Similarities.save` wrote."""
    return (Path(folder) / _INDEX).is_file()


def write_matrix(path: Path, shape: tuple[int, int], blocks: Iterable[_Floats]) -> None:
    """Write float32 `[queries, clips]` as .npy, from blocks of its rows. Raises `DataError` when
    they do not make that shape."""
    # Written, not memory-mapped: pages that are written through a map count as memory of ours.
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        rows = 0
        for block in blocks:
            if block.ndim != 2 or block.shape[1] != shape[1]:
                raise DataError(f"a block of scores is {block.shape}, for {shape[1]} clips")
            rows += len(block)
            file.write(np.ascontiguousarray(block, "<f4").data)
        if rows != shape[0]:
            raise DataError(f"there are scores for {rows} of {shape[0]} queries")


def similarities(
    clips: Sequence[Clip], audio: _Floats, texts: Sequence[str], text: _Floats
) -> Similarities:
    """Every caption of the clips as a query; `text` `[texts, dimension]` holds their vectors."""
    queries, relevant = queries_of(clips)
    row = {one: i for i, one in enumerate(texts)}
    chosen = text[[row[query] for query in queries]]
    return Similarities(queries, list(clips), chosen @ audio.T, relevant, audio, chosen)


def open_similarities(folder: str | Path) -> Similarities:
    """What `Similarities.save` wrote; scores and embeddings are memory-mapped.

    Raises `DataError` for a folder that is none, is damaged, or is of a later version.
    """
    folder = Path(folder)
    index = folder / _INDEX
    if not index.is_file():
        raise DataError(
            f"no similarities in {folder}: {_INDEX} is missing",
            remedy="name the folder that a run or `soundseek ensemble` wrote",
        )
    try:
        document: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))
        version = int(document["schema_version"])
        if version > SCHEMA_VERSION:
            raise DataError(
                f"{index} has schema version {version}, this soundseek reads up to "
                f"{SCHEMA_VERSION}",
                remedy="upgrade soundseek: pip install --upgrade soundseek",
            )
        clips = [ListedSound(*row) for row in document["clips"]]
        queries: list[str] = document["queries"]
        scores = np.load(folder / _SCORES, mmap_mode="r")
        relevant = np.zeros((len(queries), len(clips)), np.bool_)
        for row, places in zip(relevant, document["relevant"], strict=True):
            row[places] = True
        vectors = [
            np.load(folder / file, mmap_mode="r") if (folder / file).is_file() else None
            for file in (_AUDIO, _TEXT)
        ]
    except (ValueError, KeyError, TypeError, IndexError, EOFError, FileNotFoundError) as error:
        raise DataError(f"{folder} is damaged: {error!r}", remedy="make it anew") from error
    if scores.shape != relevant.shape:
        raise DataError(
            f"{folder}: scores are {scores.shape}, but there are {len(queries)} queries and "
            f"{len(clips)} clips",
            remedy="make it anew",
        )
    return Similarities(queries, clips, scores, relevant, *vectors)
