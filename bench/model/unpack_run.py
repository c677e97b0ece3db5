"""Make a run that can be exported of what a GPU machine sent back.

    python bench/model/unpack_run.py SENT PACK --out RUN [key=value …]

SENT holds average.pt, recipe.json and metrics.csv (see train_packed.py), PACK the facts that it was
trained with. Arguments of the form key=value set where data and text tower lie on this machine:
data.folder=DATA data.unlabelled=[MADE] words=RUN.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch

from soundseek.lab.distilled.packed import read_facts
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.recipe_files import read_recipe_file, validated
from soundseek.lab.run_folder import METRICS, RunFolder


def main() -> None:
    """Write the run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sent", type=Path)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_intermixed_args()
    document = read_recipe_file(options.sent / "recipe.json", options.overrides)
    recipe = validated(Recipe, document, str(options.sent))
    sent = torch.load(options.sent / "average.pt", map_location="cpu", weights_only=True)
    lessons = read_facts(options.pack)
    average = {
        name: value.float() if value.dtype == torch.float16 else value
        for name, value in sent["average"].items()
    }
    folder = RunFolder.claim(options.out, recipe)
    folder.save(
        {
            "step": sent["step"],
            "seconds": sent["seconds"],
            "average": average,
            "anchors": lessons.anchors,
            "teacher": lessons.teacher.state_dict(),
        }
    )
    shutil.copy(options.sent / METRICS, folder.path / METRICS)
    print(json.dumps({"run": str(folder.path), "step": sent["step"]}))


if __name__ == "__main__":
    main()
