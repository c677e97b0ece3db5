"""Rows of an ablation beside the whole system: means over seeds, and whether they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import DataError
from soundseek.lab.similarities import Similarities
from soundseek.metrics.corrections import holm
from soundseek.metrics.retrieval import average_precision_at, recall_at, relevant_positions
from soundseek.metrics.significance import PairedTest, paired_test

FIGURES: Final = ("R@1", "R@5", "R@10", "mAP@10")
TESTED: Final = "mAP@10"
_Values = NDArray[np.float64]


@dataclass(frozen=True)
class Heard:
    """A run on its test set: what was asked (text, ids of the clips that answer it), and the value
    of every query by figure."""

    queries: tuple[tuple[str, tuple[str, ...]], ...]
    clips: int
    values: Mapping[str, _Values]


class Figure(NamedTuple):
    """A figure over seeds: mean, sample standard deviation (None for one seed)."""

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class Compared:
    """A row: its figures, how many seeds they are of, the test against the whole system with its
    corrected p. `test` is None for the whole system itself, or where `note` says why."""

    figures: Mapping[str, Figure]
    seeds: int
    queries: int
    test: PairedTest | None = None
    p_corrected: float | None = None
    note: str | None = None


def heard(found: Similarities) -> Heard:
    """The values of every query of a run."""
    positions = relevant_positions(found.scores, found.relevant)
    values = {f"R@{k}": recall_at(positions, k) for k in (1, 5, 10)}
    values["mAP@10"] = average_precision_at(positions, 10)
    ids = [clip.id for clip in found.clips]
    queries = tuple(
        (query, tuple(sorted(ids[place] for place in np.flatnonzero(row))))
        for query, row in zip(found.queries, found.relevant, strict=True)
    )
    return Heard(queries, len(ids), values)


def compare(rows: Mapping[str, Sequence[Heard]], reference: str) -> dict[str, Compared]:
    """Compare each row's runs, one a seed, with the reference's; rows without a run are left out.

    The value of a query is its AP@10 averaged over the seeds, so the test asks whether the systems
    differ on queries like these, their chance being averaged out as far as the seeds go. p values
    are corrected for the number of rows tested (Holm).
    """
    whole = _by_query(rows.get(reference, ()))
    found: dict[str, Compared] = {}
    for name, runs in rows.items():
        if not runs:
            continue
        own = _by_query(runs)
        test, note = None, None
        if name != reference:
            test, note = _tested(own, whole)
        found[name] = Compared(_figures(runs), len(runs), len(runs[0].queries), test, None, note)
    tested = [name for name, row in found.items() if row.test is not None]
    ps = holm([row.test.p for row in found.values() if row.test is not None])
    for name, p in zip(tested, ps, strict=True):
        row = found[name]
        found[name] = Compared(row.figures, row.seeds, row.queries, row.test, p, row.note)
    return found


def _figures(runs: Sequence[Heard]) -> dict[str, Figure]:
    figures = {}
    for name in FIGURES:
        means = np.array([run.values[name].mean() for run in runs])
        deviation = float(means.std(ddof=1)) if len(runs) > 1 else None
        figures[name] = Figure(float(means.mean()), deviation)
    return figures


class _ByQuery(NamedTuple):
    queries: tuple[tuple[str, tuple[str, ...]], ...]
    values: _Values


def _by_query(runs: Sequence[Heard]) -> _ByQuery | str:
    """Every query's value averaged over the seeds, or why there is none."""
    if not runs:
        return "the whole system has no run to compare with"
    if len({(run.queries, run.clips) for run in runs}) > 1:
        return "its seeds have different test sets"
    mean = np.mean([run.values[TESTED] for run in runs], axis=0)
    return _ByQuery(runs[0].queries, np.asarray(mean, dtype=np.float64))


def _tested(own: _ByQuery | str, whole: _ByQuery | str) -> tuple[PairedTest | None, str | None]:
    for side in (own, whole):
        if isinstance(side, str):
            return None, side
    if isinstance(own, str) or isinstance(whole, str):  # for the type checker
        raise DataError("there is nothing to compare")
    if own.queries != whole.queries:
        return None, "its test set is not that of the whole system"
    return paired_test(own.values, whole.values, np.random.default_rng(0)), None
