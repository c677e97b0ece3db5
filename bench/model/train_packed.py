"""Train the audio tower of an embedded model on a pack, on whatever device is there.

    python bench/model/train_packed.py PACK --out RUN [--minutes M] [key=value …]

RUN is what `soundseek train soundseek/mini` would
leave, but for the figures of validation; RUN/average.pt has the averaged weights alone, in half
precision, and bench/model/unpack_run.py makes a run of them that can be exported.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from soundseek.lab.distilled.lessons import Lessons
from soundseek.lab.distilled.packed import read_pack
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.distilled.train import Training, train_on
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.systems import load_recipe


def main() -> None:
    """Unpack and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--without-made", action="store_true")
    parser.add_argument("--minutes", type=float, help="as many steps as fit, for optimiser.steps")
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_intermixed_args()
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    recipe = load_recipe("soundseek/mini", overrides=options.overrides)
    assert isinstance(recipe, Recipe)
    began = time.monotonic()
    lessons = read_pack(options.pack, made=not options.without_made)
    print(f"unpacked in {time.monotonic() - began:.1f} s", flush=True)
    if options.minutes is not None:
        recipe = _fitting(recipe, lessons, 60 * options.minutes - (time.monotonic() - began))
    folder = RunFolder.claim(options.out, recipe)
    train_on(lessons, recipe, folder, lambda line: print(line, flush=True))
    write_average(options.out)


def _fitting(recipe: Recipe, lessons: Lessons, seconds: float) -> Recipe:
    """With as many steps as the time allows, by what fifty of them take."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        training = Training(recipe, lessons, RunFolder.claim(Path(folder), recipe))
        for step in range(60):
            if step == 10:
                wait()
                warm = time.monotonic()
            training.step = step + 1
            training.learn(training.planner.draw(step + 1, recipe.optimiser.windows))
        wait()
    each = (time.monotonic() - warm) / 50
    steps = int(0.95 * (seconds - (time.monotonic() - began)) / each)
    print(f"{each * 1000:.1f} ms a step: {steps} steps", flush=True)
    optimiser = recipe.optimiser.model_copy(update={"steps": steps})
    return recipe.model_copy(update={"optimiser": optimiser})


def wait() -> None:
    """For what the GPU has been given to do, before the clock is read."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def write_average(run: Path) -> None:
    """RUN/average.pt: the averaged weights in half precision."""
    saved = torch.load(run / "last.pt", map_location="cpu", weights_only=True)
    halves = {
        name: value.half() if value.dtype.is_floating_point else value
        for name, value in saved["average"].items()
    }
    torch.save(
        {"step": saved["step"], "seconds": saved["seconds"], "average": halves}, run / "average.pt"
    )


if __name__ == "__main__":
    main()
