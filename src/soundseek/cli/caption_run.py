"""`soundseek caption --run`: files described by a captioning run of the lab."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from soundseek.cli.captions import Outcome
from soundseek.cli.extras import needing_lab
from soundseek.cli.progress import OnProgress
from soundseek.cli.terminal import count, say, shown_path

if TYPE_CHECKING:
    from soundseek.lab.captioning.files import FileCaptioner

Describe = Callable[[Sequence[str], OnProgress], Iterator[Outcome]]
"""Paths, and whom to tell how far it is → what becomes of each, in their order."""

_SHOWN = 3
_BEAM = "beam"


def check_alone(context: click.Context, **given: bool) -> None:
    """Raises `UsageError` for what does not go with `--run`, by name → whether it is there. What
    the environment sets is passed over."""
    typed = click.core.ParameterSource.COMMANDLINE
    for name, is_there in given.items():
        if is_there and context.get_parameter_source(name) is typed:
            why = (
                "a run hears a file as a whole, and says nothing of its parts"
                if name in ("windows", "every")
                else "a run has its own model and captioner"
            )
            raise click.UsageError(f"--{name} does not go with --run: {why}")


def opened_run(
    run: Path, method: Mapping[str, object], words: str | None
) -> tuple[tuple[str, str], Describe]:
    """Return the names of a run's encoder and recipe, and what describes files by it; `method` and
    `words` are settings of its decoding."""
    changes: dict[str, Any] = dict(method)
    if "beams" in changes:
        changes["method"] = _BEAM
    if words is not None:
        changes["words"] = words
    with needing_lab():
        from soundseek.lab.captioning.files import open_captioner

        captioner = open_captioner(run, changes)

    def describe_files(paths: Sequence[str], on_progress: OnProgress) -> Iterator[Outcome]:
        return _outcomes(captioner, paths, on_progress)

    return (captioner.encoder, captioner.name), describe_files


def _outcomes(
    captioner: FileCaptioner, paths: Sequence[str], on_progress: OnProgress
) -> Iterator[Outcome]:
    from soundseek.library.reports import Progress

    cut: list[str] = []
    failed, audio_s = 0, 0.0
    for done, one in enumerate(captioner.captions(paths), start=1):
        if one.cut:
            cut.append(one.path)
        if one.description is None:
            failed += 1
        else:
            audio_s += min(one.description.duration_s, captioner.most_s)
        on_progress(Progress(done, len(paths), one.path, audio_s, failed))
        yield Outcome(one.path, one.description, one.reason)
    if cut:
        names = ", ".join(map(shown_path, cut[:_SHOWN])) + (", …" if len(cut) > _SHOWN else "")
        longer = count(len(cut), "file is", "files are")
        say(
            f"note: {longer} longer than {captioner.most_s:g} s, of which the run hears no more: "
            f"{names}",
            err=True,
        )
