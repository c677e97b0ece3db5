"""k-fold splits in which nothing that belongs together is split."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import DataError
from soundseek.lab.data.manifest import Clip

_SEED = 0xF01D


def fold_of(clips: Sequence[Clip], folds: int) -> NDArray[np.intp]:
    """The fold of each clip, 0 … folds − 1.

    Clips of one group (one text), of one Freesound id or of one YouTube id belong together, and so
    does what they belong to. The split depends on these names alone, neither on the order of the
    clips nor on a recipe's seed; no two folds differ by more clips than the largest set that
    belongs together. Raises `DataError` for more folds than such sets.
    """
    sets = together(clips)
    if folds > len(sets):
        raise DataError(
            f"{len(clips)} clips cannot be split into {folds} folds: they make {len(sets)} sets of "
            "clips that belong together (one text, one recording)",
            remedy=f"set data.folds to {len(sets)} or fewer",
        )
    by_name = sorted(sets, key=lambda members: min(clips[i].group for i in members))
    drawn = np.random.default_rng(_SEED).permutation(len(by_name))
    # The largest first, each into the fold that has least: so folds stay even.
    order = sorted(drawn.tolist(), key=lambda i: -len(by_name[i]))
    sizes = [0] * folds
    result = np.zeros(len(clips), np.intp)
    for i in order:
        fold = sizes.index(min(sizes))
        sizes[fold] += len(by_name[i])
        result[by_name[i]] = fold
    return result


def together(clips: Sequence[Clip]) -> list[list[int]]:
    """Places of clips that belong together, over any number of steps."""
    parent = list(range(len(clips)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[Hashable, int] = {}
    for i, clip in enumerate(clips):
        for name in _names(clip):
            parent[root(i)] = root(first.setdefault(name, i))
    sets: dict[int, list[int]] = {}
    for i in range(len(clips)):
        sets.setdefault(root(i), []).append(i)
    return list(sets.values())


def _names(clip: Clip) -> Iterator[tuple[str, str]]:
    yield "group", clip.group
    if clip.freesound_id is not None:
        yield "freesound", clip.freesound_id
    if clip.youtube_id is not None:
        yield "youtube", clip.youtube_id
