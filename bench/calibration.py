"""Is a hit as likely right as its score says? Ways to calibrate, on libraries of several kinds.

    python bench/calibration.py --data DATA [--model NAME_OR_FOLDER] [--cache FOLDER]

All ways are fitted on the validation clips and judged by the first ten hits of every query:

- pairs, balanced: a logistic curve through all pairs, matching and other ones weighted alike;
- pairs: through all pairs as they are;
- hits: through the first ten hits of each query, which is what `fit_calibration` does;
- hits, isotonic: any rising curve through them;
- hits, margin: two inputs, the score and how far it is above the tenth;
- hits, z: two inputs, the score and the same in standard deviations of the library's scores.

Libraries: each set as it is; 100, 300 and 700 of its clips, drawn ten times, with all queries of
the set, of which some have no answer then; and two where one sound abounds. Printed: the share of
hits that are right, what is told on average, Brier score and expected calibration error (ECE, ten
bins), with 95 % intervals by resampling groups of queries 500 times; the difference of the Brier
score to "hits"; and a table of ten bins for "hits".

A hit is right if it shares the query's group. Labels are not complete, so all probabilities are
rather too low than too high.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from heard import HeardSet, heard_sets
from soundseek import load_bundle
from soundseek.lab.calibrate import HITS, first_hits, fit_calibration, fit_logistic

Floats = NDArray[np.float64]
SIZES = (100, 300, 700)
DRAWS, RESAMPLED, BINS = 10, 500, 10


@dataclass(frozen=True)
class Hits:
    """`scores` and whether they are `right` `[queries, k]`, best first; `z` of the scores among all
    of the library; `groups` `[queries]`: those of one group share their right clips."""

    scores: Floats
    right: NDArray[np.bool_]
    z: Floats
    groups: NDArray[np.int64]

    @property
    def margin(self) -> Floats:
        return self.scores - self.scores[:, -1:]


Way = Callable[[Hits], Floats]


def main() -> None:
    """Print a table a library."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", help="bundle, default the embedded one")
    parser.add_argument("--cache", type=Path, help="keeps vectors of clips here")
    options = parser.parse_args()
    bundle = load_bundle(options.model, threads=1)
    sets = heard_sets(bundle, options.data, cache=options.cache)
    validation = sets["validation"]
    fitted = fit_calibration(validation.scores, validation.relevant)
    ways = _ways(validation)
    print(f"{bundle.name}: in the bundle {bundle.manifest.similarity.calibration}; hits {fitted}")
    for name, hits in _libraries(sets):
        _judge(name, hits, ways)


def _ways(validation: HeardSet) -> dict[str, Way]:
    hits = _hits_of(validation)
    scores = validation.scores.astype(np.float64).ravel()
    matching = validation.relevant.ravel()
    times = round((~matching).sum() / matching.sum())
    balanced = np.concatenate([scores[~matching], np.repeat(scores[matching], times)])
    labels = np.arange(balanced.size) >= (~matching).sum()
    order = np.argsort(hits.scores.ravel(), kind="stable")
    rising = isotonic_regression(hits.right.ravel()[order].astype(np.float64)).x
    steps = hits.scores.ravel()[order]
    return {
        "pairs, balanced": _logistic(balanced, labels, lambda h: (h.scores,)),
        "pairs": _logistic(scores, matching, lambda h: (h.scores,)),
        "hits": _fitted(hits, lambda h: (h.scores,)),
        "hits, isotonic": lambda h: np.interp(h.scores, steps, rising),
        "hits, margin": _fitted(hits, lambda h: (h.scores, h.margin)),
        "hits, z": _fitted(hits, lambda h: (h.scores, h.z)),
    }


def _fitted(hits: Hits, inputs: Callable[[Hits], tuple[Floats, ...]]) -> Way:
    columns = np.column_stack([one.ravel() for one in inputs(hits)])
    return _logistic(columns, hits.right.ravel(), inputs)


def _logistic(
    columns: Floats, labels: NDArray[np.bool_], inputs: Callable[[Hits], tuple[Floats, ...]]
) -> Way:
    *slopes, intercept = fit_logistic(columns.reshape(len(labels), -1), labels)

    def told(hits: Hits) -> Floats:
        raised = sum(s * one for s, one in zip(slopes, inputs(hits), strict=True)) + intercept
        return 1 / (1 + np.exp(-np.clip(raised, -500, 500)))

    return told


def _libraries(sets: dict[str, HeardSet]) -> Iterator[tuple[str, Hits]]:
    rng = np.random.default_rng(0)
    for name, one in sets.items():
        yield f"{name}, all {len(one.clips)} clips", _hits_of(one)
    for name, one in sets.items():
        for size in SIZES:
            if size < len(one.clips):
                draws = [rng.choice(len(one.clips), size, replace=False) for _ in range(DRAWS)]
                yield f"{name}, {size} clips", _joined([_hits_of(one, draw) for draw in draws])
    yield "one instrument after another (philharmonia of test)", _of_source(sets["test"])
    yield "half the library one class of urbansound8k", _half_one_class(sets["test_research"], rng)


def _hits_of(
    one: HeardSet,
    clips: NDArray[np.int64] | None = None,
    asked: NDArray[np.bool_] | None = None,
) -> Hits:
    columns = np.arange(len(one.clips)) if clips is None else clips
    rows = np.arange(len(one.queries)) if asked is None else np.flatnonzero(asked)
    scores = one.scores[np.ix_(rows, columns)].astype(np.float64)
    shown, right = first_hits(scores, one.relevant[np.ix_(rows, columns)])
    z = (shown - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)
    _, groups = np.unique(one.relevant, axis=0, return_inverse=True)
    return Hits(shown, right, z, groups.ravel()[rows])


def _joined(parts: list[Hits]) -> Hits:
    return Hits(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.z for part in parts]),
        np.concatenate([part.groups for part in parts]),
    )


def _of_source(one: HeardSet, source: str = "philharmonia") -> Hits:
    clips = np.flatnonzero([clip.source == source for clip in one.clips])
    return _hits_of(one, clips, one.relevant[:, clips].any(axis=1))


def _half_one_class(one: HeardSet, rng: np.random.Generator) -> Hits:
    ours = np.array([clip.source == "urbansound8k" for clip in one.clips])
    labels = np.array([str(clip.label) for clip in one.clips])
    parts = []
    for label in sorted(set(labels[ours])):
        inside = np.flatnonzero(ours & (labels == label))
        beside = rng.choice(np.flatnonzero(~ours), min(len(inside), (~ours).sum()), replace=False)
        asked = one.relevant[:, inside].all(axis=1)
        parts.append(_hits_of(one, np.concatenate([inside, beside]), asked))
    width = min(part.scores.shape[1] for part in parts)
    if width < HITS:
        raise SystemExit(f"a class has {width} clips: too few for a library")
    return _joined(parts)


def _judge(name: str, hits: Hits, ways: dict[str, Way]) -> None:
    print(f"\n{name}: {len(hits.scores):,} queries, {hits.right.mean():.3f} of the hits right")
    print(f"{'':<16}{'told':>6}  {'Brier score':<24}{'ECE':<24}to hits")
    told = {way: of(hits) for way, of in ways.items()}
    weights = _resampled(hits.groups)
    squares = {way: (p - hits.right) ** 2 for way, p in told.items()}
    for way, p in told.items():
        brier = _interval(squares[way], weights)
        better = "" if way == "hits" else _interval(squares[way] - squares["hits"], weights, "+")
        errors = np.array([_ece(p, hits.right, weight) for weight in weights])
        ece = _shown(_ece(p, hits.right, np.ones(len(p))), errors)
        print(f"{way:<16}{p.mean():>6.3f}  {brier:<24}{ece:<24}{better}")
    print("told " + "".join(f"{low / BINS:>11.1f}" for low in range(BINS)))
    print("hits " + "".join(f"{cell:>11}" for cell in _bins(told["hits"], hits.right)), flush=True)


def _bins(p: Floats, right: NDArray[np.bool_]) -> Iterator[str]:
    """For every bin of what is told, the share that is right and the number of hits."""
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    for number in range(BINS):
        inside = place == number
        yield f"{right[inside].mean():.2f}/{inside.sum()}" if inside.any() else "-"


def _ece(p: Floats, right: NDArray[np.bool_], weight: Floats) -> float:
    place = np.minimum((p * BINS).astype(int), BINS - 1).ravel()
    each = np.repeat(weight, p.shape[1])
    gaps = np.bincount(place, each * (p - right).ravel(), minlength=BINS)
    return float(np.abs(gaps).sum() / each.sum())


def _resampled(groups: NDArray[np.int64]) -> list[Floats]:
    """How often every query counts, `[queries]`, when groups are drawn with replacement."""
    rng = np.random.default_rng(1)
    _, group = np.unique(groups, return_inverse=True)
    n = int(group.max()) + 1
    return [
        np.bincount(rng.integers(n, size=n), minlength=n)[group].astype(np.float64)
        for _ in range(RESAMPLED)
    ]


def _interval(values: Floats, weights: list[Floats], sign: str = "") -> str:
    of_query = values.mean(axis=1)
    drawn = np.array([weight @ of_query / weight.sum() for weight in weights])
    return _shown(float(values.mean()), drawn, sign)


def _shown(value: float, drawn: Floats, sign: str = "") -> str:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


if __name__ == "__main__":
    main()
