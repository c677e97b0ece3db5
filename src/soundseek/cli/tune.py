"""`soundseek tune`: search over a recipe's settings."""

from __future__ import annotations

from pathlib import Path

import click

from soundseek.cli.exits import DONE, DONE_WITH_FAILURES
from soundseek.cli.extras import needing_lab
from soundseek.cli.options import difference_option, example, jobs_option, json_option
from soundseek.cli.terminal import say, say_json


@click.command(
    epilog=example(
        "soundseek tune cpjku2022/audioset data.folder=DATA --space cpjku2022 --study studies/cp",
        "soundseek tune cpjku2022/audioset --space cpjku2022 --study try --smoke --trials 4",
        "soundseek tune my.yaml --space my-space.yaml --study s"
        " --storage postgresql+psycopg://me@host/studies",
    )
)
@click.argument("recipe")
@click.argument("overrides", nargs=-1)
@click.option("--space", required=True, help="The search space: a shipped name or a YAML file.")
@click.option(
    "--study",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The study's folder; a study that stands there goes on.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    help="How many trials the study has in all (default: the space's).",
)
@click.option(
    "--random-starts",
    type=click.IntRange(min=1),
    help="How many of them are random, before the sampler learns (default: the space's).",
)
@jobs_option("trials")
@click.option(
    "--storage",
    metavar="URL",
    help="A database that several machines share (default: study.db in the study's folder).",
)
@click.option("--name", help="The study's name in the storage (default: its folder's name).")
@difference_option("A YAML file merged over the recipe: your data, a budget.")
@click.option("--smoke", is_flag=True, help="Try it in seconds: tiny networks on synthetic sounds.")
@click.option(
    "--report", "only_report", is_flag=True, help="Write the report alone; train nothing."
)
@json_option
def tune(
    recipe: str,
    overrides: tuple[str, ...],
    space: str,
    study: Path,
    trials: int | None,
    random_starts: int | None,
    jobs: int,
    storage: str | None,
    name: str | None,
    differences: tuple[Path, ...],
    smoke: bool,
    only_report: bool,
    as_json: bool,
) -> int:
    """Search for the best settings of RECIPE over a space, with OVERRIDES such as seed=1.

    Leaves report.md, trials.csv, plots and best.yaml, a recipe, in the study's folder. Ctrl-C
    leaves the study as it is: the same command goes on with it.
    """
    with needing_lab():
        from soundseek.lab.search.report import REPORT, summary, write_report
        from soundseek.lab.search.space import load_space
        from soundseek.lab.search.tune import Search, Task

        loaded = load_space(space, random_starts=random_starts)
        task = Task(recipe, loaded, overrides, differences, smoke)
        search = Search(task, study, storage=storage, name=name)
        if not only_report:
            search.run(lambda line: say(line, err=True), trials=trials or loaded.trials, jobs=jobs)
        found = write_report(search)
    if as_json:
        say_json(summary(search, found))
    else:
        if found.best is not None:
            say(f"best: trial {found.best.folder}, {loaded.figure} {found.best.value:.4f}")
        say(str(study / REPORT))
    return DONE_WITH_FAILURES if found.failed else DONE
