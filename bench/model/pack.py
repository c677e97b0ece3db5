"""Prepare the lessons of an embedded model and pack them for a machine with a GPU.

    python bench/model/pack.py --out FOLDER [--bit-rate 16000] data.folder=DATA …

Writes facts.npz, the sounds of the data folder (sounds-*.opus) and those without captions
(made-*.opus); bench/model/train_packed.py trains on them. Arguments of the form key=value override
the recipe soundseek/mini.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from soundseek.lab.distilled.packed import write_pack
from soundseek.lab.distilled.prepare import prepare, training_clips
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.systems import load_recipe


def main() -> None:
    """Prepare, and write the pack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="default: OUT/../cache")
    parser.add_argument("--bit-rate", type=int, default=16_000)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_intermixed_args()
    recipe = load_recipe("soundseek/mini", overrides=options.overrides)
    assert isinstance(recipe, Recipe)
    cache = options.cache or options.out.parent / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    lessons = prepare(recipe, cache, print)
    labelled = len(training_clips(recipe.data.model_copy(update={"unlabelled": ()})))
    write_pack(lessons, options.out, labelled=labelled, bit_rate=options.bit_rate)
    size = sum(path.stat().st_size for path in options.out.iterdir())
    print(f"{len(lessons.samples) / 16_000 / 3600:.2f} h, {size / 1e6:.1f} MB in {options.out}")


if __name__ == "__main__":
    main()
