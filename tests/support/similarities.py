"""Similarities made of random numbers, and their copies in another order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soundseek.lab.similarities import ListedSound, Similarities

CAPTIONS = 2


def sounds(names: Sequence[str]) -> list[ListedSound]:
    return [ListedSound(name, f"/sounds/{name}.wav", 0.0, 1.0) for name in names]


def made(scores: object, relevant: object = None, names: Sequence[str] = ()) -> Similarities:
    """Of a matrix of scores; clip i answers query i modulo the clips, unless told otherwise."""
    matrix = np.asarray(scores, np.float32)
    queries, clips = matrix.shape
    if relevant is None:
        relevant = np.arange(queries)[:, None] % clips == np.arange(clips)
    listed = sounds(names or [f"c{i}" for i in range(clips)])
    return Similarities(
        [f"q{i}" for i in range(queries)], listed, matrix, np.asarray(relevant, np.bool_)
    )


def noisy(seed: int, *, clips: int = 12, noise: float = 1.0, dimension: int = 8) -> Similarities:
    """Embeddings of one space that all seeds share, each with noise of its own."""
    common = np.random.default_rng(99)
    audio = common.standard_normal((clips, dimension))
    text = np.repeat(audio, CAPTIONS, axis=0)
    rng = np.random.default_rng(seed)
    heard, read = (
        (side + noise * rng.standard_normal(side.shape)).astype(np.float32)
        for side in (audio, text)
    )
    relevant = np.arange(clips * CAPTIONS)[:, None] // CAPTIONS == np.arange(clips)
    queries = [f"q{i}" for i in range(clips * CAPTIONS)]
    names = sounds([f"c{i}" for i in range(clips)])
    return Similarities(queries, names, read @ heard.T, relevant, heard, read)


def shuffled(found: Similarities, seed: int) -> Similarities:
    """The same, its queries and clips in another order."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(found.queries)), rng.permutation(len(found.clips))
    return Similarities(
        [found.queries[i] for i in rows],
        [found.clips[i] for i in columns],
        found.scores[rows][:, columns],
        found.relevant[rows][:, columns],
        None if found.audio is None else found.audio[columns],
        None if found.text is None else found.text[rows],
    )
