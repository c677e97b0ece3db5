"""Items of an epoch: (clip, caption) pairs in an order that depends on (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.data.manifest import Clip


@dataclass(frozen=True)
class Pair:
    """Clip index, caption index, and the item's number in its epoch."""

    clip: int
    caption: int
    number: int


class PairOrder:
    """Which pairs an epoch has, and in which order.

    `each`: every caption of every clip is an item; otherwise one caption a clip, drawn by epoch.
    The rest that does not fill a batch is left out, except where there is no full batch at all.
    `bucket`: of so many batches in a row, the pairs are sorted by length, cut into batches, and
    these put in any order: less of each is padding. A pair is as `long` as its clip lasts, or as
    its caption has characters.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        *,
        each: bool,
        batch: int,
        seed: int,
        bucket: int | None = None,
        long: Literal["clip", "caption"] = "clip",
    ) -> None:
        self.captions = [len(clip.captions) for clip in clips]
        self.lengths = [
            [clip.duration_s if long == "clip" else float(len(text)) for text in clip.captions]
            for clip in clips
        ]
        self.bucket = bucket
        self.each = each
        self.batch = batch
        self.seed = seed

    @property
    def batches(self) -> int:
        """Batches in an epoch."""
        return max(1, self.items // self.batch)

    @property
    def items(self) -> int:
        """Pairs in an epoch, those that do not fill a batch included."""
        return sum(self.captions) if self.each else len(self.captions)

    def epoch(self, epoch: int) -> list[list[Pair]]:
        """The batches of an epoch."""
        rng = np.random.default_rng((self.seed, epoch))
        pairs = self._pairs(rng)
        order = rng.permutation(len(pairs))
        ordered = [Pair(pairs[i][0], pairs[i][1], number) for number, i in enumerate(order)]
        ordered = ordered[: self.batches * self.batch]
        if self.bucket is None:
            return self._cut(ordered)
        together = self.bucket * self.batch
        batches = []
        for start in range(0, len(ordered), together):
            some = ordered[start : start + together]
            cut = self._cut(sorted(some, key=lambda pair: self.lengths[pair.clip][pair.caption]))
            batches += [cut[i] for i in rng.permutation(len(cut))]
        return batches

    def _cut(self, ordered: list[Pair]) -> list[list[Pair]]:
        return [ordered[start : start + self.batch] for start in range(0, len(ordered), self.batch)]

    def _pairs(self, rng: np.random.Generator) -> list[tuple[int, int]]:
        if self.each:
            return [(clip, i) for clip, n in enumerate(self.captions) for i in range(n)]
        return [(clip, int(rng.integers(n))) for clip, n in enumerate(self.captions)]


def group_ids(clips: Sequence[Clip]) -> NDArray[np.int64]:
    """One number a group of the clips."""
    numbers = {group: i for i, group in enumerate(sorted({clip.group for clip in clips}))}
    return np.array([numbers[clip.group] for clip in clips], np.int64)
