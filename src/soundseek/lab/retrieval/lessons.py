"""What one process learns from in a step: its portions of the step's batch, and their chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from soundseek.errors import DataError
from soundseek.lab.retrieval.batches import Batch, BatchMaker
from soundseek.lab.retrieval.learner import Lesson
from soundseek.lab.retrieval.prepare import Part
from soundseek.lab.retrieval.teachers import Teacher, correspondences
from soundseek.lab.training.pairs import Pair, PairOrder


@dataclass(frozen=True)
class Division:
    """How a batch is divided: among `processes`, of which this is `rank`, each going through its
    share in `accumulate` portions."""

    rank: int = 0
    processes: int = 1
    accumulate: int = 1

    @property
    def portions(self) -> int:
        return self.processes * self.accumulate


def check_division(order: PairOrder, division: Division, what: str) -> None:
    """Raises `DataError` where an epoch is too small to be divided; `what` it has, for people."""
    smallest = min(order.batch, order.items)
    if division.portions > 1 and smallest % division.portions:
        raise DataError(
            f"an epoch has {smallest} {what}: they cannot be divided into "
            f"{division.portions} portions",
            remedy="lower optimiser.accumulate or run.devices, or train on more clips",
        )


class LessonMaker:
    """Lessons of any step of a stage; they depend on the seed, the step and the division alone.

    `before`: steps of the stages before it. Raises `DataError` where an epoch is too small to be
    divided.
    """

    def __init__(
        self,
        part: Part,
        maker: BatchMaker,
        teachers: Sequence[Teacher],
        order: PairOrder,
        division: Division,
        *,
        seed: int,
        before: int,
        pinned: bool = False,
    ) -> None:
        self.part, self.maker, self.teachers = part, maker, teachers
        self.order, self.division = order, division
        self.seed, self.before, self.pinned = seed, before, pinned
        self._pairs_of_epoch = lru_cache(maxsize=2)(order.epoch)
        check_division(order, division, "pairs")

    def lessons(self, step: int) -> list[Lesson]:
        """Those of `step`, counted from the beginning of the stage, in order."""
        epoch, number = divmod(step, self.order.batches)
        pairs = self._pairs_of_epoch(epoch)[number]
        size = len(pairs) // self.division.portions
        chance = self._generator(step, 0)
        own_chance = self._generator(step, 1 + self.division.rank)
        lessons = []
        for turn in range(self.division.accumulate):
            first = turn * self.division.processes * size
            together = pairs[first : first + self.division.processes * size]
            begin = self.division.rank * size
            portion = turn * self.division.processes + self.division.rank
            batch = self.maker.training(
                together[begin : begin + size], epoch, number, portion, pinned=self.pinned
            )
            events = self.part.events
            lessons.append(
                Lesson(
                    batch,
                    own_chance,
                    chance,
                    None if events is None else torch.from_numpy(events[batch.clips]),
                    self._correspondences(together, begin, batch),
                )
            )
        return lessons

    def _correspondences(self, pairs: Sequence[Pair], begin: int, own: Batch) -> Tensor | None:
        """Of the pairs of all processes. Those of this one, from `begin` on, as it hears them:
        another clip stands in for one that cannot be read."""
        if not self.teachers:
            return None
        clips, captions = [pair.clip for pair in pairs], [pair.caption for pair in pairs]
        heard = slice(begin, begin + len(own.clips))
        clips[heard], captions[heard] = own.clips, own.captions
        return correspondences(self.teachers, clips, captions)

    def _generator(self, step: int, stream: int) -> torch.Generator:
        seed = self.seed * 7_919 + self.before + step + stream * 1_000_000_007
        return torch.Generator().manual_seed(seed)
