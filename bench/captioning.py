"""Captioning runs beside each other, and beside the caption of the nearest training clip: all
metrics with intervals, and examples good and bad. Writes DIR/captioning.md and .json.

    python bench/captioning.py --data DATA --runs runs/baseline runs/final \
        --product runs/captions --out docs/results
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from soundseek.lab.captioning.prepare import Part, prepare_part
from soundseek.lab.captioning.trained import load_trained
from soundseek.lab.retrieval.clips import clip_sets
from soundseek.metrics.captions import CaptionEvaluation, evaluate_captions

_COLUMNS = (
    "bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider", "vocabulary"
)  # fmt: skip
_EXAMPLES = 10


@dataclass(frozen=True)
class System:
    """Captions and references by clip id, and what they scored."""

    name: str
    captions: Mapping[str, str]
    references: Mapping[str, Sequence[str]]
    found: CaptionEvaluation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    parser.add_argument("--product", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    systems = [of_run(folder) for folder in options.runs]
    product = of_run(options.product)
    systems += [product, nearest(options.product)]
    blocks = [table(systems), examples(product)]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "captioning.md").write_text("\n".join(blocks), encoding="utf-8")
    document = {one.name: figures(one) for one in systems}
    file = options.out / "captioning.json"
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(blocks[0])


def of_run(folder: Path) -> System:
    """What a run wrote for its test clips."""
    name = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))["name"]
    captions, references = {}, {}
    with (folder / "captions.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            captions[row["id"]] = row["prediction"]
            columns = [key for key in row if key.startswith("reference_") and row[key]]
            references[row["id"]] = [row[key] for key in columns]
    return System(name, captions, references, evaluate_captions(captions, references))


def nearest(product: Path) -> System:
    """The second caption, a sentence, of the training clip whose vector is nearest."""
    trained = load_trained(product)
    recipe, model = trained.recipe, trained.model
    clips = clip_sets(recipe.data, recipe.seed, print)
    cache = Path(recipe.run.cache) if recipe.run.cache else product / "cache"
    train, test = (
        prepare_part(name, part, recipe, model, cache, print)
        for name, part in (("training", clips.train), ("test", clips.test))
    )
    likeness = vectors(test) @ vectors(train).T
    captions, references = {}, {}
    for clip, row in zip(test.clips, likeness, strict=True):
        there = train.clips[int(row.argmax())].captions
        captions[clip.id] = there[min(1, len(there) - 1)]
        references[clip.id] = clip.captions
    found = evaluate_captions(captions, references)
    return System("caption of the nearest training clip", captions, references, found)


def vectors(part: Part) -> np.ndarray:
    """One unit vector a clip: the mean of its windows'."""
    assert part.heard is not None
    heard = part.heard
    rows = [
        heard.steps[start : start + count].astype(np.float32).mean(0)
        for start, count in zip(heard.starts, heard.counts, strict=True)
    ]
    stacked = np.stack(rows)
    return stacked / np.linalg.norm(stacked, axis=1, keepdims=True)


def table(systems: Sequence[System]) -> str:
    lines = [
        "| system | n | " + " | ".join(_COLUMNS) + " |",
        "| --- |" + " --- |" * (1 + len(_COLUMNS)),
    ]
    for one in systems:
        cells = [value(one.found, name) for name in _COLUMNS]
        lines.append(f"| {one.name} | {one.found.n} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def value(found: CaptionEvaluation, name: str) -> str:
    if name not in found.metrics:
        return ""
    metric = found.metrics[name]
    if name == "vocabulary":
        return f"{metric.value:.0f}"
    bounds = metric.ci95
    interval = "" if bounds is None else f" [{bounds[0]:.3f}, {bounds[1]:.3f}]"
    return f"{metric.value:.3f}{interval}"


def examples(system: System) -> str:
    """The best and the worst by CIDEr, of those whose captions differ, and some drawn by chance."""
    cider = system.found.metrics["cider"].per_clip
    assert cider is not None
    order = sorted(cider, key=lambda clip: (-cider[clip], clip))
    drawn = np.random.default_rng(0).choice(sorted(cider), _EXAMPLES, replace=False).tolist()
    parts = (
        ("Best by CIDEr", distinct(system, order)),
        ("Worst by CIDEr", distinct(system, order[::-1])),
        ("Drawn by chance", drawn),
    )
    blocks = []
    for title, clips in parts:
        rows = "\n".join(
            f"| {system.captions[clip]} | {'; '.join(system.references[clip])} | "
            f"{cider[clip]:.2f} |"
            for clip in clips
        )
        blocks.append(
            f"### {title}\n\n| caption | references | CIDEr |\n| --- | --- | --- |\n{rows}\n"
        )
    return "\n".join(blocks)


def distinct(system: System, order: Sequence[str]) -> list[str]:
    chosen: dict[str, str] = {}
    for clip in order:
        chosen.setdefault(system.captions[clip], clip)
        if len(chosen) == _EXAMPLES:
            break
    return list(chosen.values())


def figures(system: System) -> dict[str, Any]:
    return {
        "n": system.found.n,
        "metrics": {
            name: {"value": one.value, "ci95": one.ci95}
            for name, one in system.found.metrics.items()
        },
    }


if __name__ == "__main__":
    main()
