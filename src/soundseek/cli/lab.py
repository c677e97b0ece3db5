"""Commands of the lab: recipes, export. They need the extra `lab`; nothing else does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import click

from soundseek.cli.extras import needing_lab
from soundseek.cli.lazy import Entry, LazyGroup
from soundseek.cli.options import example, json_option
from soundseek.cli.terminal import say, say_json

_HERE = "soundseek.cli.lab"

RECIPE_COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {
        "list": Entry(f"{_HERE}:list_recipes", "The recipes that ship with soundseek."),
        "show": Entry(f"{_HERE}:show_recipe", "A recipe as it would run."),
    }
)


@click.group(cls=LazyGroup, table=RECIPE_COMMANDS, epilog=example("soundseek recipes list"))
def recipes() -> None:
    """List and show the recipes that models are trained by."""


@click.command("list", epilog=example("soundseek recipes list", "soundseek recipes list --json"))
@json_option
def list_recipes(as_json: bool) -> None:
    """List the recipes that ship with soundseek."""
    with needing_lab():
        from soundseek.lab.systems import load_recipe, recipe_names

        found = [(name, load_recipe(name)) for name in recipe_names()]
    if as_json:
        rows = [{"name": name, "description": recipe.description} for name, recipe in found]
        say_json({"recipes": rows})
        return
    for name, recipe in found:
        say(f"{name}  {recipe.description}")


@click.command("show", epilog=example("soundseek recipes show soundseek/mini optimiser.steps=200"))
@click.argument("recipe")
@click.argument("overrides", nargs=-1)
def show_recipe(recipe: str, overrides: tuple[str, ...]) -> None:
    """Print RECIPE (a name or a YAML file), with OVERRIDES such as optimiser.steps=200."""
    with needing_lab():
        import yaml

        from soundseek.lab.systems import load_recipe

        document = load_recipe(recipe, overrides).model_dump(mode="json")
        say(yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip())


@click.command(
    epilog=example(
        "soundseek export runs/mini --name soundseek-mini-2 --out my-models/mini",
        "soundseek export runs/surrey --name surrey --window 10 --out my-models/surrey",
        "soundseek export clap-htsat-unfused --name my-clap --out my-models/clap",
    )
)
@click.argument("source", metavar="RUN|CLAP", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", required=True, help="The model's name.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The bundle's folder, new."
)
@click.option(
    "--window",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How much the model hears at once, where its recipe leaves that open"
    " (default: 10, or the longest clip of training where that is shorter).",
)
@click.option(
    "--clips",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="MANIFEST",
    help="Captioned clips (.parquet or clips.jsonl) to score and calibrate a CLAP on"
    " (default: it has neither scores nor calibration).",
)
def export(source: Path, name: str, out: Path, window: float | None, clips: Path | None) -> None:
    """Turn a trained run, or a Hugging Face CLAP, into a bundle: networks and model card.

    The bundle is used by its path, as in `soundseek index DIR --model my-models/mini`. A run is
    scored and calibrated too: its training, validation and test clips must still be there. A CLAP
    is a folder or hub name of one without feature fusion.
    """
    with needing_lab():
        from soundseek.lab.systems import export as made

        written = made(
            source,
            out,
            name=name,
            say=lambda line: say(line, err=True),
            window_s=window,
            clips=clips,
        )
    say(str(written))
