"""Clips that are near to everything, normalised away: does it rank better?

    python bench/querybank.py --data DATA [--model NAME_OR_FOLDER] [--cache FOLDER]

A bank of texts is scored against every clip beforehand, and a clip that is near to many of them is
taken down in every ranking. Ways, each of a score s and the bank's scores b of the same clip:

- inverted softmax: β·s - log Σ exp(β·b) (Smith et al. 2017), for every query, or only where the
  best clip is also the best of some text of the bank: the dynamic inverted softmax of QB-Norm
  (Bogolin et al., "Cross Modal Retrieval with Querybank Normalisation", CVPR 2022, section 3.3);
- mean: s - share · mean of b;
- CSLS: s - half the mean of the 10 highest b (Conneau et al. 2018, section 2.3; what depends on the
  query alone does not change its ranking).

Banks: captions of AudioCaps (DATA/text/audiocaps_train.csv) and of the free tier's training clips,
drawn with one seed; and the queries of the set itself, which no library can know: what the best of
banks would give. Printed: how uneven the rankings are (the skewness of how many of the first ten
places a clip has, Radovanović et al. 2010, and the share of places that the fullest twentieth of
clips has); mAP@10 and R@10 of the plain scores, and the differences to them, query by query, in
points, with 95 % jackknife intervals; * where the interval is on one side of 0.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heard import HeardSet, heard_sets
from soundseek import load_bundle
from soundseek.lab.data.manifest import read_clips_jsonl, select
from soundseek.metrics.retrieval import Metric, mean, per_query, relevant_positions

Floats = NDArray[np.floating]
SIZES = (500, 5_000, 20_000)
SCALES = (5.0, 10.0, 20.0, 40.0, 80.0)
SHARES = (0.25, 0.5, 1.0)
NEIGHBOURS = 10
FIGURES = ("mAP@10", "R@10")


def main() -> None:
    """Print a table a bank: a row a way, two columns a set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", help="bundle, default the embedded one")
    parser.add_argument("--cache", type=Path, help="keeps vectors of clips here")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="texts in a bank")
    options = parser.parse_args()
    bundle = load_bundle(options.model, threads=1)
    sets = heard_sets(bundle, options.data, cache=options.cache)
    plain = {name: _figures(one, one.scores) for name, one in sets.items()}
    print(f"{bundle.name}; points, difference to the plain scores and 95 % interval")
    for name, one in sets.items():
        print(f"{name}: {_unevenness(one.scores)}")
    print(f"{'':<24}" + "".join(f"{f'{name} {figure}':>28}" for name in sets for figure in FIGURES))
    _row("plain", [mean(100 * plain[name][figure]) for name in sets for figure in FIGURES])
    for bank_name, texts in _banks(options.data).items():
        for size in sorted({min(size, len(texts)) for size in options.sizes}):
            vectors = bundle.encode_text(texts[:size])
            _compare(f"{size:,} {bank_name}", sets, plain, dict.fromkeys(sets, vectors))
    _compare("the queries themselves", sets, plain, {n: one.texts for n, one in sets.items()})


def _compare(
    bank: str,
    sets: dict[str, HeardSet],
    plain: dict[str, dict[str, Floats]],
    vectors: dict[str, Floats],
) -> None:
    """Print every way's differences to the plain figures; `vectors` are the bank's, by set."""
    print(f"\n{bank}", flush=True)
    ways = {name: dict(_ways(one, one.scored(vectors[name]))) for name, one in sets.items()}
    for way in next(iter(ways.values())):
        found = {name: _figures(sets[name], ways[name][way]) for name in sets}
        differences = [
            mean(100 * (found[name][figure] - plain[name][figure]))
            for name in sets
            for figure in FIGURES
        ]
        _row(way, differences, signed=True)


def _banks(data: Path) -> dict[str, list[str]]:
    """Name → texts, in an order that is drawn."""
    with (data / "text" / "audiocaps_train.csv").open(encoding="utf-8", newline="") as file:
        audiocaps = {row["caption"] for row in csv.DictReader(file)}
    clips = select(
        read_clips_jsonl(data / "clips.jsonl"), split="train", tiers=("free",), min_quality=1
    )
    own = {caption for clip in clips for caption in clip.captions}
    banks = {"captions of AudioCaps": sorted(audiocaps), "captions of training clips": sorted(own)}
    for texts in banks.values():
        np.random.default_rng(0).shuffle(texts)
    return banks


def _ways(one: HeardSet, bank: Floats) -> Iterator[tuple[str, Floats]]:
    """Name and scores `[queries, clips]` of every way; `bank` `[texts, clips]`."""
    hubs = np.zeros(bank.shape[1], np.bool_)
    hubs[bank.argmax(axis=1)] = True
    asks_hub = hubs[one.scores.argmax(axis=1)]
    for scale in SCALES:
        inverted = one.scores - _log_sum_exp(scale * bank) / scale
        yield f"inverted softmax {scale:g}", inverted
        yield f"dynamic {scale:g}", np.where(asks_hub[:, None], inverted, one.scores)
    for share in SHARES:
        yield f"mean {share:g}", one.scores - share * bank.mean(axis=0)
    nearest = np.partition(bank, len(bank) - NEIGHBOURS, axis=0)[-NEIGHBOURS:]
    yield "CSLS", one.scores - nearest.mean(axis=0) / 2


def _unevenness(scores: Floats) -> str:
    first = np.argpartition(-scores, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    places = np.bincount(first.ravel(), minlength=scores.shape[1]).astype(np.float64)
    skewness = float(((places - places.mean()) ** 3).mean() / places.std() ** 3)
    fullest = np.sort(places)[-max(1, places.size // 20) :].sum() / places.sum()
    never = float((places == 0).mean())
    return (
        f"skewness {skewness:.2f}, the fullest 5 % of clips have {fullest:.0%} of the places, "
        f"{never:.0%} of clips have none"
    )


def _log_sum_exp(values: Floats) -> Floats:
    highest = values.max(axis=0)
    summed: Floats = np.log(np.exp(values - highest).sum(axis=0)) + highest
    return summed


def _figures(one: HeardSet, scores: Floats) -> dict[str, Floats]:
    positions = relevant_positions(scores, one.relevant)
    return dict(per_query(positions, ks=(10,), map_ks=(10,)))


def _row(way: str, metrics: Sequence[Metric], *, signed: bool = False) -> None:
    cells = []
    for metric in metrics:
        low, high = metric.ci95 or (float("nan"), float("nan"))
        mark = "*" if signed and low * high > 0 else " "
        sign = "+" if signed else ""
        cells.append(f"{metric.value:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]{mark}")
    print(f"{way:<24}" + "".join(f"{cell:>28}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
