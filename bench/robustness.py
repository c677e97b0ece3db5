"""What is left of a model's figures when sounds are changed before it hears them.

    python bench/robustness.py --data DATA [--models A B ...] [--only NAME ...] [--limit N]

Text → audio mAP@10 on the free test split and zero-shot accuracy on urbansound8k's fold 10, as the
scorecard has them, with the texts as they are and every sound changed in one way
(soundseek.lab.disturbances). Differences to the clean sounds, and between models, are paired: over
the same queries or clips. Writes docs/results/robustness.{json,md}; with --only or --limit it only
prints, unless --out says where. One process, one thread.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_beside import open_models
from soundseek.audio.decode import read
from soundseek.audio.resample import resample
from soundseek.bundle.runtime import Bundle
from soundseek.errors import AudioError, DataError
from soundseek.lab.data.manifest import Clip, read_clips_jsonl, select
from soundseek.lab.disturbances import DISTURBANCES, Floats, Sound
from soundseek.lab.evaluate import named_rightly, queries_of
from soundseek.lab.scorecard import RETRIEVAL, ZERO_SHOT
from soundseek.metrics.intervals import jackknife_interval
from soundseek.metrics.retrieval import average_precision_at, relevant_positions

RESULTS = Path(__file__).parent.parent / "docs" / "results" / "robustness"
CLEAN = "as it is"
# Figure → clips asked for, and what stands over its table.
FIGURES = {
    "mAP@10": (RETRIEVAL["test"], "Free test split: {clips} clips, {n} queries"),
    "accuracy": (
        ZERO_SHOT["urbansound8k_fold10"],
        "urbansound8k fold 10, zero-shot: {clips} clips",
    ),
}
INTRUDERS = 60
# Model → disturbance → one vector a clip.
Vectors = dict[str, dict[str, list[Floats]]]


def intruders(clips: Sequence[Clip], rate: int) -> list[tuple[Clip, Floats]]:
    """Sounds of the validation split, so that none of them answers a query of the test split."""
    chosen = select(clips, **RETRIEVAL["validation"])
    order = np.random.default_rng(0).permutation(len(chosen))
    found: list[tuple[Clip, Floats]] = []
    for place in order[: 2 * INTRUDERS]:
        try:
            samples, own_rate = read(chosen[place].path)
        except AudioError:
            continue  # another takes its place
        found.append((chosen[place], resample(samples, own_rate, rate)))
        if len(found) == INTRUDERS:
            break
    return found


def intruder_for(clip: Clip, pool: Sequence[tuple[Clip, Floats]]) -> Floats:
    """One of the pool with another text and another class, always the same for a clip."""
    others = [
        samples
        for other, samples in pool
        if other.group != clip.group and (clip.label is None or other.label != clip.label)
    ]
    if not others:
        raise DataError(f"the validation split has no sound unlike {clip.id}")
    return others[zlib.crc32(clip.id.encode()) % len(others)]


def listen(
    clips: Sequence[Clip],
    models: Mapping[str, Bundle],
    names: Sequence[str],
    pool: Sequence[tuple[Clip, Floats]],
    rate: int,
) -> tuple[list[Clip], Vectors]:
    """Decode each clip once, and let every model hear it in every way."""
    kept: list[Clip] = []
    vectors: Vectors = {model: {name: [] for name in (CLEAN, *names)} for model in models}
    for number, clip in enumerate(clips, start=1):
        try:
            original, original_rate = read(clip.path)
        except AudioError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        samples = resample(original, original_rate, rate)
        sound = Sound(samples, rate, original, original_rate, intruder_for(clip, pool))
        for name in (CLEAN, *names):
            # The same draws whatever is asked for beside it, and at every level of a noise.
            rng = np.random.default_rng(zlib.crc32(clip.id.encode()))
            heard = (samples, rate) if name == CLEAN else DISTURBANCES[name](sound, rng)
            for model, bundle in models.items():
                vectors[model][name].append(bundle.encode_audio(*heard)[0])
        kept.append(clip)
        if number % 100 == 0:
            print(f"{number} of {len(clips)} clips", file=sys.stderr, flush=True)
    return kept, vectors


def score(figure: str, clips: Sequence[Clip], audio: Floats, bundle: Bundle) -> NDArray[np.float64]:
    """One value a query or clip."""
    if figure == "accuracy":
        return named_rightly(clips, audio, bundle.encode_text).astype(np.float64)
    captions, relevant = queries_of(clips)
    scores = bundle.encode_text(captions) @ audio.T
    return average_precision_at(relevant_positions(scores, relevant), 10)


def mean(values: NDArray[np.float64]) -> dict[str, Any]:
    low, high = jackknife_interval(values)
    return {"value": round(float(values.mean()), 5), "ci95": [round(low, 5), round(high, 5)]}


def compared(of: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> dict[str, Any]:
    """Disturbance → model → value, change from the clean sounds, difference to the first model."""
    first = next(iter(of))
    rows: dict[str, Any] = {}
    for name in of[first]:
        rows[name] = {}
        for model, values in of.items():
            entry = {"all": mean(values[name])}
            if name != CLEAN:
                entry["change"] = mean(values[name] - values[CLEAN])
            if model != first:
                entry["beside_first"] = mean(values[name] - of[first][name])
            rows[name][model] = entry
    return rows


def cell(entry: Mapping[str, Any] | None, sign: str = "") -> str:
    if entry is None:
        return ""
    low, high = entry["ci95"]
    return f"{entry['value']:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def table(rows: Mapping[str, Any], figure: str) -> str:
    models = list(next(iter(rows.values())))
    head = ["sound"]
    for model in models:
        head += [f"{model}: {figure}", "change"]
    head += [f"{model} - {models[0]}" for model in models[1:]]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for name, entries in rows.items():
        cells = [name]
        for model in models:
            cells += [cell(entries[model]["all"]), cell(entries[model].get("change"), "+")]
        cells += [cell(entries[model]["beside_first"], "+") for model in models[1:]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with clips.jsonl")
    parser.add_argument("--models", nargs="+", default=[], help="names or folders of bundles")
    parser.add_argument("--only", nargs="+", choices=DISTURBANCES, metavar="NAME", default=None)
    parser.add_argument("--limit", type=int, help="this many clips of each set, evenly spread")
    parser.add_argument("--out", type=Path, help="without ending; default docs/results/robustness")
    options = parser.parse_args()

    models = open_models(options.models, threads=1)
    rate = max(bundle.sample_rate for bundle in models.values())
    names = options.only or list(DISTURBANCES)
    clips = read_clips_jsonl(options.data / "clips.jsonl")
    pool = intruders(clips, rate)

    found: dict[str, Any] = {"models": {n: b.fingerprint for n, b in models.items()}, "figures": {}}
    texts = []
    for figure, (wanted, title) in FIGURES.items():
        chosen = select(clips, **wanted)
        if options.limit:
            places = np.linspace(0, len(chosen) - 1, min(options.limit, len(chosen))).astype(int)
            chosen = [chosen[place] for place in places]
        kept, vectors = listen(chosen, models, names, pool, rate)
        values = {
            model: {
                name: score(figure, kept, np.stack(each), models[model])
                for name, each in vectors[model].items()
            }
            for model in models
        }
        n = len(next(iter(next(iter(values.values())).values())))
        rows = compared(values)
        found["figures"][figure] = {"clips": len(kept), "n": n, "rows": rows}
        heading = title.format(clips=len(kept), n=n)
        texts.append(f"{heading}\n\n{table(rows, figure)}\n")
    text = "\n".join(texts)
    print(text)
    out = options.out or (None if options.only or options.limit else RESULTS)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        out.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
