"""The largest batch that trains in memory, found by trying."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from lightning_fabric import Fabric

from soundseek.errors import DataError
from soundseek.lab.memory import available, resident
from soundseek.lab.problems import Problems
from soundseek.lab.retrieval.clips import ClipSets
from soundseek.lab.retrieval.prepare import Say
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.retrieval.rehearsal_checks import checked_clips, checked_model, checked_teachers
from soundseek.lab.retrieval.rehearsed import gigabytes
from soundseek.lab.retrieval.trial import Trials
from soundseek.lab.training.pairs import PairOrder
from soundseek.lab.training.trial import open_trial_fabric

SHARE: Final = 0.8
"""Of the memory that is free, what a batch may take where no limit is given."""
_SMALLEST: Final = 2
_GROWTH: Final = 4
_CAUTION: Final = 0.95
_CLOSE: Final = 1.1


@dataclass(frozen=True)
class Tried:
    """A batch on the longest sounds: its peak of memory and seconds a step, None where it did not
    fit."""

    batch: int
    peak_bytes: int | None
    step_s: float | None

    @property
    def pairs_s(self) -> float | None:
        """Pairs a second."""
        return None if self.step_s is None else self.batch / self.step_s


@dataclass(frozen=True)
class FoundBatch:
    """What was tried of `stage`, the one that needs most, on `device`; `batch`: the largest that
    fits `limit_bytes` (None: all of a GPU), for one process; `most`: the pairs of an epoch, which
    none can exceed."""

    name: str
    stage: str
    device: str
    batch: int
    recipe_batch: int
    accumulate: int
    processes: int
    most: int
    limit_bytes: int | None
    tried: tuple[Tried, ...]

    @property
    def override(self) -> str:
        """What to add to the command."""
        return f"optimiser.batch={self.batch * self.processes}"

    def document(self) -> dict[str, Any]:
        """As JSON would hold it."""
        document = asdict(self)
        for row, told in zip(self.tried, document["tried"], strict=True):
            told["pairs_s"] = row.pairs_s
        return {**document, "override": self.override, "keeping": self._keeping()}

    def lines(self) -> Iterator[str]:
        """As people read it."""
        limit = "its memory" if self.limit_bytes is None else gigabytes(self.limit_bytes)
        yield f"{self.name}: stage {self.stage} on {self.device}, within {limit}"
        yield f"{'batch':>8}  {'peak memory':>12}  {'s a step':>9}  {'pairs a s':>9}"
        for row in self.tried:
            if row.peak_bytes is None or row.step_s is None or row.pairs_s is None:
                yield f"{row.batch:>8}  {'too large':>12}"
                continue
            yield (
                f"{row.batch:>8}  {gigabytes(row.peak_bytes):>12}  {row.step_s:>9.3f}  "
                f"{row.pairs_s:>9.1f}"
            )
        by = f", for {self.processes} processes" if self.processes > 1 else ""
        yield f"the largest that fits: {self.override}{by}"
        if self.batch == self.most:
            yield f"an epoch has no more than {self.most} pairs"
        if self.batch * self.processes != self.recipe_batch:
            yield (
                f"the recipe's batch is {self.recipe_batch}: another one changes what a "
                "contrastive objective learns from (its negatives), the steps of an epoch, and the "
                "rate that fits"
            )
        keeping = self._keeping()
        if keeping is not None and keeping > self.accumulate:
            yield (
                f"optimiser.accumulate={keeping} keeps the batch of {self.recipe_batch} in memory, "
                "but a part of it has its own negatives only"
            )

    def _keeping(self) -> int | None:
        """In how many equal parts the recipe's batch fits."""
        share = self.recipe_batch // self.processes
        parts = range(1, share // 2 + 1)
        return next((n for n in parts if share % n == 0 and share // n <= self.batch), None)


def find_batch(
    recipe: RetrievalRecipe, say: Say = print, *, limit_bytes: int | None = None
) -> FoundBatch:
    """Try batches of the stage that needs most, on the longest sounds and captions.

    On a GPU batches are doubled until one does not fit, then halved in between. A processor's
    memory is never filled: batches grow slowly, and each is tried only where those before say that
    it stays within the limit (by default 80 % of what is free). Raises `DataError` with every
    problem where the recipe could not train, and where not even two pairs fit.
    """
    problems = Problems()
    clips: dict[str, ClipSets] = {}
    for name, stage in recipe.plain_stages():
        found = checked_clips(name, stage, problems, say)
        checked_teachers(name, stage, problems)
        if found is not None:
            clips[name] = found
    texts = sorted(
        {text for sets in clips.values() for clip in sets.train for text in clip.captions}
    )
    model = checked_model(recipe, [] if len(problems) else texts, problems, say)
    fabric = None
    with problems.collecting("run.device"):
        fabric = open_trial_fabric(recipe.run)
    if model is None or fabric is None or len(problems):
        raise DataError("this recipe cannot be tried:\n" + "\n".join(map(str, problems)))
    halves = _halves(fabric)
    if limit_bytes is None and not halves:
        limit_bytes = _default_limit(fabric.device)
    with tempfile.TemporaryDirectory(prefix="soundseek-batches-") as folder:
        finder = _Finder(Trials(model, fabric, Path(folder)), fabric, say)
        name = finder.hungriest(recipe, clips)
        stage = dict(recipe.plain_stages())[name]
        most = _pairs(stage, clips[name]) // recipe.run.devices
        measure = finder.measure(name, stage, clips[name], limit_bytes)
        if halves:
            batch = largest_by_bisection(lambda n: measure(n).peak_bytes is not None, most)
        else:
            assert limit_bytes is not None
            batch = largest_by_growth(
                lambda n: measure(n).peak_bytes, most, limit_bytes, idle=resident()
            )
    if batch is None:
        raise DataError(
            f"not even {_SMALLEST} pairs of the longest sounds train in memory",
            remedy="lower audio.max_s, freeze an encoder, or set run.precision=bf16",
        )
    return FoundBatch(
        recipe.name,
        name,
        str(fabric.device),
        batch,
        stage.optimiser.batch,
        stage.optimiser.accumulate,
        recipe.run.devices,
        most,
        limit_bytes,
        tuple(sorted(finder.tried, key=lambda row: row.batch)),
    )


def largest_by_bisection(fits: Callable[[int], bool], most: int) -> int | None:
    """The largest n of 2 … `most` that fits: doubled until one does not, then between these. None
    where not even 2 do. What fits must fit with less, too."""
    if most < _SMALLEST or not fits(_SMALLEST):
        return None
    low, high = _SMALLEST, most + 1
    while low * 2 < high:
        if not fits(low * 2):
            high = low * 2
            break
        low *= 2
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def largest_by_growth(
    peak: Callable[[int], int | None], most: int, limit: int, *, idle: int = 0
) -> int | None:
    """The largest n of 2 … `most` found whose measured `peak` is within `limit`, without trying one
    that those before say is beyond it.

    `idle` is taken before any; the last two tell how much a pair takes; each next one is at most
    four times the largest so far. None where not even 2 fit.
    """
    points = [(0, idle)]
    n = min(_SMALLEST, most)
    while n >= _SMALLEST:
        size = peak(n)
        if size is None or size > limit:
            break
        points.append((n, size))
        following = min(most, expected(points, limit), n * _GROWTH)
        if following <= n or (len(points) > 3 and following < most and following < n * _CLOSE):
            break
        n = following
    return points[-1][0] or None


def expected(points: Sequence[tuple[int, int]], limit: int) -> int:
    """The n whose size comes near to `limit` if it goes on along the last two (n, size)."""
    (before, smaller), (n, size) = points[-2:]
    slope = max(size - smaller, 0) / (n - before)
    room = (limit - size) * _CAUTION
    if room <= 0:
        return n
    return n + math.floor(room / slope) if slope else n * _GROWTH


class _Finder:
    def __init__(self, trials: Trials, fabric: Fabric, say: Say) -> None:
        self.trials, self.fabric, self.say = trials, fabric, say
        self.tried: list[Tried] = []

    def hungriest(self, recipe: RetrievalRecipe, clips: dict[str, ClipSets]) -> str:
        """The stage whose smallest batch takes most."""
        names = list(clips)
        if len(names) == 1:
            return names[0]
        peaks = {}
        for name, stage in recipe.plain_stages():
            self.say(f"{name}: how much it needs")
            small = min(4 * _SMALLEST, _pairs(stage, clips[name]))
            peaks[name] = self._tried(name, stage, clips[name], small).peak_bytes or math.inf
        return max(peaks, key=lambda name: peaks[name])

    def measure(
        self, name: str, recipe: RetrievalRecipe, clips: ClipSets, limit: int | None
    ) -> Callable[[int], Tried]:
        """What tries a batch, and keeps what it found."""

        def tried(batch: int) -> Tried:
            self.say(f"{name}: trying a batch of {batch}")
            row = self._tried(name, recipe, clips, batch)
            if limit is not None and (row.peak_bytes or 0) > limit:
                row = Tried(batch, None, None)
            self.tried.append(row)
            return row

        return tried

    def _tried(self, name: str, recipe: RetrievalRecipe, clips: ClipSets, batch: int) -> Tried:
        try:
            stage = self.trials.stage(name, recipe, clips, batch=batch)
            peak, step_s = self.trials.longest(stage)
        except torch.OutOfMemoryError:
            return Tried(batch, None, None)
        return Tried(batch, peak, step_s)


def _halves(fabric: Fabric) -> bool:
    """Whether a batch that is too large is an error that can be caught."""
    return fabric.device.type == "cuda"


def _pairs(recipe: RetrievalRecipe, clips: ClipSets) -> int:
    each = recipe.data.captions == "each"
    return PairOrder(clips.train, each=each, batch=_SMALLEST, seed=recipe.seed).items


def _default_limit(device: torch.device) -> int:
    free = available(device)
    if free is None:
        raise DataError(
            "this system does not tell how much memory is free", remedy="say it: --memory GB"
        )
    return resident() + round(SHARE * free)
