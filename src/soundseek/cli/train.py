"""`soundseek train`, and its rehearsals."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soundseek.cli.extras import needing_lab
from soundseek.cli.options import difference_option, example, json_option
from soundseek.cli.terminal import say, say_json
from soundseek.errors import SoundseekError

if TYPE_CHECKING:
    from soundseek.lab.problems import Problem
    from soundseek.lab.recipe_files import RecipeBase

_GB = 1_000_000_000


@click.command(
    epilog=example(
        "soundseek train soundseek/mini data.folder=DATA --out runs/mini",
        "soundseek train surrey2022/cnn14_bert data.folder=DATA --out runs/surrey",
        "soundseek train surrey2022/cnn14_bert data.folder=DATA --dry-run",
        "soundseek train surrey2022/cnn14_bert data.folder=DATA --find-batch --memory 12",
        "soundseek train samsung2024/system6 --smoke --out runs/try",
    )
)
@click.argument("recipe")
@click.argument("overrides", nargs=-1)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The run's folder; a run that stands there is resumed.",
)
@difference_option("A YAML file merged over the recipe: your data, a budget.")
@click.option(
    "--smoke",
    is_flag=True,
    help="Try the recipe in seconds: tiny networks on synthetic sounds, nothing to download.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check everything and make a few steps, but train nothing: tells all that is missing at"
    " once, sizes, memory, and the likely time.",
)
@click.option(
    "--find-batch",
    is_flag=True,
    help="Find the largest batch that trains in memory, on the longest sounds; train nothing.",
)
@click.option(
    "--memory",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GB",
    help="With --find-batch: how much the process may take (default: 80 % of what is free; all of"
    " a GPU).",
)
@json_option
def train(
    recipe: str,
    overrides: tuple[str, ...],
    out: Path | None,
    differences: tuple[Path, ...],
    smoke: bool,
    dry_run: bool,
    find_batch: bool,
    memory: float | None,
    as_json: bool,
) -> None:
    """Train RECIPE (a name or a YAML file), with OVERRIDES such as optimiser.epochs=5.

    A killed run goes on from its last checkpoint, to the same result, when started again.
    """
    _check_use(out, dry_run, find_batch, memory, as_json)
    with needing_lab():
        from soundseek.lab.systems import load_recipe
        from soundseek.lab.systems import train as run

        loaded = load_recipe(recipe, overrides, differences)
        if dry_run or find_batch:
            with _small(loaded, smoke) as chosen:
                if find_batch:
                    _find_batch(chosen, memory, as_json)
                else:
                    _rehearse(chosen, out, as_json)
            return
        assert out is not None
        if smoke:
            from soundseek.lab.systems import small

            loaded = small(loaded, out / "synthetic")
        made = run(loaded, out, lambda line: say(line, err=True))
    if as_json:
        say_json({"made": str(made)})
        return
    say(str(made))


def _check_use(
    out: Path | None, dry_run: bool, find_batch: bool, memory: float | None, as_json: bool
) -> None:
    if dry_run and find_batch:
        raise click.UsageError("--dry-run and --find-batch are two things: give one of them")
    if memory is not None and not find_batch:
        raise click.UsageError("--memory goes with --find-batch")
    if out is None and not (dry_run or find_batch):
        raise click.UsageError("Missing option '--out'.")
    if out is not None and out.exists() and not out.is_dir():
        raise click.BadParameter(f"{out} is a file", param_hint="'--out'")


@contextmanager
def _small(recipe: RecipeBase, smoke: bool) -> Iterator[RecipeBase]:
    """The recipe, or what `--smoke` makes of it, with its sounds in a folder of their own."""
    if not smoke:
        yield recipe
        return
    from soundseek.lab.systems import small

    with tempfile.TemporaryDirectory(prefix="soundseek-smoke-") as folder:
        yield small(recipe, Path(folder))


def _rehearse(recipe: RecipeBase, out: Path | None, as_json: bool) -> None:
    from soundseek.lab.systems import rehearse

    found = rehearse(recipe, out, lambda line: say(line, err=True))
    if as_json:
        say_json(found.document())
    else:
        for line in found.lines():
            say(line)
    if found.problems:
        raise SoundseekError(_told(found.problems))


def _find_batch(recipe: RecipeBase, memory: float | None, as_json: bool) -> None:
    from soundseek.lab.systems import find_batch

    limit = None if memory is None else round(memory * _GB)
    found = find_batch(recipe, lambda line: say(line, err=True), limit_bytes=limit)
    if as_json:
        say_json(found.document())
        return
    for line in found.lines():
        say(line)


def _told(problems: Sequence[Problem]) -> str:
    number = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n".join([f"{number}, this would not train:", *map(str, problems)])
