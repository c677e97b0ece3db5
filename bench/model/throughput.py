"""Windows a second of the audio tower's training on this device, for some settings, in one run.

    python bench/model/throughput.py PACK [--windows 256 384] [--seconds 8] [key=value …]

Drawing the plan of a step and making its windows are timed alone, too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from train_packed import wait

from soundseek.lab.distilled.packed import read_pack
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.distilled.train import Training
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.systems import load_recipe


def main() -> None:
    """Print a line for each setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path)
    parser.add_argument("--windows", type=int, nargs="+", default=[384])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_intermixed_args()
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    lessons = read_pack(options.pack, made=False)
    for windows in options.windows:
        changes = [*options.overrides, f"optimiser.windows={windows}"]
        recipe = load_recipe("soundseek/mini", overrides=changes)
        assert isinstance(recipe, Recipe)
        with tempfile.TemporaryDirectory() as folder:
            training = Training(recipe, lessons, RunFolder.claim(Path(folder), recipe))
            began = time.monotonic()
            for step in range(1, 6):
                training.step = step
                training.learn(training.planner.draw(step, windows))
            wait()
            warm, began, step = time.monotonic() - began, time.monotonic(), 5
            while time.monotonic() - began < options.seconds:
                for _ in range(10):
                    step += 1
                    training.step = step
                    training.learn(training.planner.draw(step, windows))
                wait()
            each = (time.monotonic() - began) / (step - 5)
            parts = _parts(training, windows)
        print(
            f"{windows} windows: {each * 1000:.1f} ms a step, "
            f"{3 * windows / each:,.0f} patches a second, first five steps {warm:.1f} s; {parts}",
            flush=True,
        )


def _parts(training: Training, windows: int) -> str:
    """Milliseconds of drawing and of making the windows, alone."""
    plan = training.planner.draw(1, windows)
    times = []
    for work in (
        lambda: training.planner.draw(1, windows),
        lambda: training.renderer(plan, 1),
    ):
        wait()
        began = time.monotonic()
        for _ in range(5):
            work()
        wait()
        times.append((time.monotonic() - began) / 5 * 1000)
    return f"plan {times[0]:.1f} ms, windows {times[1]:.1f} ms"


if __name__ == "__main__":
    main()
