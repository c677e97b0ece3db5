"""Sets of captioned clips as a library hears them, for the benches that need many scores.

A score is what a search ranks by: half the best window, half the whole clip. Vectors are kept in
float16, as in a library. With a cache folder every clip is heard once for a model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundseek.audio.decode import stream
from soundseek.bundle.runtime import Bundle
from soundseek.errors import AudioError
from soundseek.lab.data.manifest import Clip, read_clips_jsonl, select
from soundseek.lab.evaluate import queries_of
from soundseek.lab.scorecard import RETRIEVAL
from soundseek.library.blend import whole_weights
from soundseek.library.cachefile import Block
from soundseek.library.vectors import WindowTable

Floats = NDArray[np.float32]

_TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class HeardSet:
    """`scores` `[queries, clips]` and which of them are `relevant`; `texts` are the vectors of
    `queries`, `table` the windows of `clips`."""

    name: str
    clips: list[Clip]
    queries: list[str]
    relevant: NDArray[np.bool_]
    scores: Floats
    texts: Floats
    table: WindowTable
    hop_s: float

    def scored(self, texts: Floats) -> Floats:
        """The scores `[texts, clips]` of other texts `[texts, dimension]`."""
        windows = np.concatenate([block.matrix for block in self.table.blocks]).astype(np.float32)
        rows = np.empty((len(texts), len(self.clips)), np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            cosines = texts[start : start + _TEXTS_AT_ONCE] @ windows.T
            for row, of_text in enumerate(cosines, start=start):
                rows[row] = self.table.clip_scores(of_text, self.hop_s)
        return rows


def heard_sets(
    bundle: Bundle, data: Path, names: Sequence[str] = tuple(RETRIEVAL), cache: Path | None = None
) -> dict[str, HeardSet]:
    """The sets of `data` (a folder with clips.jsonl) by name; clips that cannot be read are left
    out."""
    listed = read_clips_jsonl(data / "clips.jsonl")
    chosen = {name: select(listed, **RETRIEVAL[name]) for name in names}
    wanted = {clip.id: clip for clips in chosen.values() for clip in clips}
    windows = _windows(bundle, list(wanted.values()), cache)
    return {name: _heard(bundle, name, clips, windows) for name, clips in chosen.items()}


def _heard(
    bundle: Bundle,
    name: str,
    listed: list[Clip],
    windows: dict[str, tuple[NDArray[np.float16], NDArray[np.uint32]]],
) -> HeardSet:
    clips = [clip for clip in listed if clip.id in windows]
    own = [windows[clip.id] for clip in clips]
    block = Block(
        np.concatenate([vectors for vectors, _ in own]),
        np.concatenate([whole_weights(*one) for one in own]),
        np.arange(len(own)),
        np.array([len(vectors) for vectors, _ in own]),
        0,
    )
    queries, relevant = queries_of(clips)
    table, texts = WindowTable.of(block), bundle.encode_text(queries)
    empty = np.empty((0, 0), np.float32)
    heard = HeardSet(name, clips, queries, relevant, empty, texts, table, bundle.hop_s)
    return HeardSet(name, clips, queries, relevant, heard.scored(texts), texts, table, bundle.hop_s)


def _windows(
    bundle: Bundle, clips: list[Clip], cache: Path | None
) -> dict[str, tuple[NDArray[np.float16], NDArray[np.uint32]]]:
    """Clip id → its windows' vectors `[n, dimension]` and valid samples `[n]`."""
    known: dict[str, tuple[NDArray[np.float16], NDArray[np.uint32]]] = {}
    unreadable: set[str] = set()
    kept = cache / f"{bundle.name}-{bundle.fingerprint[:12]}.npz" if cache else None
    if kept is not None and kept.is_file():
        with np.load(kept) as file:
            ends = np.cumsum(file["counts"])[:-1]
            vectors, valid = np.split(file["vectors"], ends), np.split(file["valid"], ends)
            ids = json.loads(str(file["ids"]))
            known = {clip: (v, n) for clip, v, n in zip(ids, vectors, valid, strict=True)}
            unreadable = set(json.loads(str(file["unreadable"])))
    missing = [clip for clip in clips if clip.id not in known and clip.id not in unreadable]
    for number, clip in enumerate(missing, start=1):
        try:
            heard = bundle.encode_blocks(stream(clip.path, bundle.sample_rate))
        except AudioError:
            unreadable.add(clip.id)
            continue
        if not len(heard.vectors):
            unreadable.add(clip.id)
            continue
        known[clip.id] = heard.vectors.astype(np.float16), heard.valid_samples.astype(np.uint32)
        if number % 500 == 0:
            print(f"heard {number} of {len(missing)} clips", flush=True)
    if missing and kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            kept,
            ids=json.dumps(list(known)),
            counts=[len(vectors) for vectors, _ in known.values()],
            vectors=np.concatenate([vectors for vectors, _ in known.values()]),
            valid=np.concatenate([valid for _, valid in known.values()]),
            unreadable=json.dumps(sorted(unreadable)),
        )
    return known
