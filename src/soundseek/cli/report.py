"""`soundseek report`: what a run learnt, for people, made again from its folder."""

from __future__ import annotations

from pathlib import Path

import click

from soundseek.cli.extras import needing_lab
from soundseek.cli.options import example, json_option
from soundseek.cli.terminal import say, say_json


@click.command(
    epilog=example("soundseek report runs/surrey", "soundseek report runs/surrey --json")
)
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@json_option
def report(run: Path, as_json: bool) -> None:
    """Write report.md, report.html, plots and a page to listen to into the folder of RUN:
    worst-queries.html, or captions.html of a captioning run.

    A training writes them at its end. Nothing but the folder is needed: a run that is not done has
    a report of what is there. That page plays the sounds while they are where the run heard them.
    """
    with needing_lab():
        from soundseek.lab.reporting.report import make_report

        made = make_report(run, lambda line: say(line, err=True))
    if as_json:
        say_json({"report": str(made.path), **made.figures})
        return
    for name, figure in made.figures["metrics"].items():
        say(f"{name}  {figure['value']:.4f}", err=True)
    say(str(made.path))
