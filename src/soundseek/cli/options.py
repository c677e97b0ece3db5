"""Options and types of argument that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from soundseek.bundle.places import expanded
from soundseek.cli.places import LIBRARY_VARIABLE, MODEL_VARIABLE, default_library

if TYPE_CHECKING:
    from soundseek.library import Library

Command = TypeVar("Command", bound=Callable[..., object])

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?|\.\d+)")


def seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Callback of an option that takes a duration, typed as 90, 1.5, 1:30 or 1:02:03."""
    if value is None:
        return None
    match = _CLOCK.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter(
            f"{value!r} is no duration; give seconds (90) or a time (1:30)", ctx, param
        )
    hours, minutes, rest = match.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def example(*lines: str) -> str:
    """Return the end of a help text: lines that can be typed as they are."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def library_option(command: Command) -> Command:
    """Give a command `--library DIR`, as `library_path`."""
    return click.option(
        "--library",
        "library_path",
        metavar="DIR",
        type=click.Path(path_type=Path),
        envvar=LIBRARY_VARIABLE,
        callback=_chosen_library,
        help=f"Folder of the library [env: {LIBRARY_VARIABLE}; default: your own, see "
        "'soundseek library status'].",
    )(command)


def _chosen_library(
    ctx: click.Context,
    param: click.Parameter,
    value: Path | None,
) -> Path:
    return default_library() if value is None else expanded(value)


def model_option(command: Command) -> Command:
    """Give a command `--model NAME`, as `model`."""
    return click.option(
        "--model",
        metavar="NAME",
        envvar=MODEL_VARIABLE,
        help=f"Name or path of a model, see 'soundseek models list' [env: {MODEL_VARIABLE}].",
    )(command)


def json_option(command: Command) -> Command:
    """Give a command `--json`, as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def difference_option(help_text: str) -> Callable[[Command], Command]:
    """Give a command `--with FILE`, several times, as `differences`."""
    return click.option(
        "--with",
        "differences",
        multiple=True,
        metavar="FILE",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help=f"{help_text} Can be given again.",
    )


def jobs_option(what: str) -> Callable[[Command], Command]:
    """Give a command `--jobs N`: how many of `what` go at once."""
    return click.option(
        "--jobs",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help=f"How many {what} go at once, in processes of their own.",
    )


def open_for_reading(path: Path, model: str | None = None) -> Library:
    """Open a library to read from it, with the model it was made with unless told otherwise.

    Raises `LibraryError` if there is none, or if it cannot be used.
    """
    from soundseek.library import Library

    return Library.open(path, bundle=model, read_only=True)
