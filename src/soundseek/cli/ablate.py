"""`soundseek ablate`: what each part of a recipe is worth."""

from __future__ import annotations

from pathlib import Path

import click

from soundseek.cli.exits import DONE, DONE_WITH_FAILURES
from soundseek.cli.extras import needing_lab
from soundseek.cli.options import difference_option, example, jobs_option, json_option
from soundseek.cli.terminal import say, say_json


def _seeds(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r}: give whole numbers, as in 0,1,2", ctx, param
        ) from error


@click.command(
    epilog=example(
        "soundseek ablate cpjku2022/augmentations data.folder=DATA --rows cpjku2022 --out ab/cp",
        "soundseek ablate cpjku2022/augmentations --rows cpjku2022 --out try --smoke --seeds 0",
        "soundseek ablate my.yaml --rows my-rows.yaml --out ab/mine --seeds 0,1,2,3,4 --jobs 2",
    )
)
@click.argument("recipe")
@click.argument("overrides", nargs=-1)
@click.option("--rows", required=True, help="The named differences: a shipped name or a YAML file.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The ablation's folder; what stands there goes on.",
)
@click.option(
    "--seeds",
    default="0,1,2",
    show_default=True,
    callback=_seeds,
    metavar="LIST",
    help="Every row runs once with each.",
)
@jobs_option("runs")
@difference_option("A YAML file merged over the recipe, under every row.")
@click.option("--smoke", is_flag=True, help="Try it in seconds: tiny networks on synthetic sounds.")
@json_option
def ablate(
    recipe: str,
    overrides: tuple[str, ...],
    rows: str,
    out: Path,
    seeds: tuple[int, ...],
    jobs: int,
    differences: tuple[Path, ...],
    smoke: bool,
    as_json: bool,
) -> int:
    """Train RECIPE and each of its rows with several seeds, and tell what differs.

    Leaves ablation.md, .csv and .json and a plot in the folder. Runs that are done are kept, and
    interrupted ones go on, when the command is given again.
    """
    with needing_lab():
        from soundseek.lab.ablation.ablate import Plan
        from soundseek.lab.ablation.ablate import ablate as run
        from soundseek.lab.ablation.report import REPORT, write_report
        from soundseek.lab.ablation.rows import load_rows

        plan = Plan.of(
            load_rows(rows),
            recipe,
            out,
            overrides=overrides,
            differences=differences,
            seeds=seeds,
            smoke=smoke,
        )
        outcome = run(plan, lambda line: say(line, err=True), jobs=jobs)
        document = write_report(plan, outcome)
    if as_json:
        say_json(document)
    else:
        say(str(out / REPORT))
    return DONE_WITH_FAILURES if outcome.failures else DONE
