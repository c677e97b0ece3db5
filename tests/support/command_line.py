"""Typing commands in tests: inside this process, and as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from soundseek.cli.main import face
from support.tiny_bundle import SOUNDS


def typed(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    """Run a command line in this process; bugs keep their traceback."""
    words = [os.fspath(argument) for argument in arguments]
    return CliRunner().invoke(face, words, input=stdin, catch_exceptions=False)


def succeeded(*arguments: str | Path, stdin: str | bytes | None = None) -> str:
    """Run a command line that must end with 0; returns its stdout."""
    result = typed(*arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def process(*arguments: str | Path, **options: object) -> subprocess.Popen[bytes]:
    """Start a command line as a process, its output piped."""
    words = [sys.executable, "-m", "soundseek", *map(os.fspath, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(words, **{**pipes, **options})  # type: ignore[call-overload, no-any-return]


def hears_ctrl_c() -> None:
    """For `preexec_fn`: a process that was started in the background, as tests may be, ignores
    Ctrl-C and hands that down."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def live_in(folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `folder` the current one and the only one that commands write to by themselves."""
    for variable, name in {
        "SOUNDSEEK_LIBRARY": "library",
        "SOUNDSEEK_CACHE": "cache",
        "SOUNDSEEK_MODELS": "models",
    }.items():
        monkeypatch.setenv(variable, str(folder / name))
    monkeypatch.setenv("SOUNDSEEK_MODEL", str(bundle))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for variable in ("NO_COLOR", "SOUNDSEEK_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(folder)


def write_sound(path: Path, samples: np.ndarray, sample_rate: int = 16_000) -> Path:
    """Write a sound file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, sample_rate)
    return path


def write_sounds(folder: Path) -> dict[str, Path]:
    """Write each of `SOUNDS` into a file whose name says nothing; returns word → file."""
    return {
        word: write_sound(folder / f"rec{number}.wav", render())
        for number, (word, render) in enumerate(SOUNDS.items())
    }


def every_command(
    group: click.Group = face, path: tuple[str, ...] = ()
) -> list[tuple[tuple[str, ...], click.Command]]:
    """Return all commands and groups with the words that call them."""
    context = click.Context(group)
    found: list[tuple[tuple[str, ...], click.Command]] = [(path, group)]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += every_command(command, (*path, name))
        else:
            found.append(((*path, name), command))
    return found
