from __future__ import annotations

import importlib

import click
import pytest

import soundseek
from soundseek.cli.main import COMMANDS
from support.command_line import every_command, succeeded, typed

ALL = [pytest.param(*row, id=" ".join(row[0]) or "soundseek") for row in every_command()]


@pytest.mark.parametrize(("path", "command"), ALL)
def test_every_help_ends_with_an_example(path: tuple[str, ...], command: click.Command) -> None:
    shown = succeeded(*path, "--help")
    *_, last_part = shown.rpartition("Example:")
    lines = [line.strip() for line in last_part.strip().splitlines()]
    assert lines
    assert all(line.startswith("soundseek ") for line in lines)
    assert any(line.startswith(" ".join(("soundseek", *path))) for line in lines)


@pytest.mark.parametrize(("path", "command"), ALL)
def test_every_option_is_explained(path: tuple[str, ...], command: click.Command) -> None:
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_alone_it_shows_its_help() -> None:
    assert succeeded() == succeeded("--help") == succeeded("-h")
    assert succeeded("library") == succeeded("library", "--help")


def test_help_lists_every_command_without_importing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, package: str | None = None) -> None:
        raise AssertionError(f"imported {name}")

    monkeypatch.setattr(importlib, "import_module", refuse)
    shown = succeeded("--help")
    for name, entry in COMMANDS.items():
        assert f"  {name} " in shown
        assert entry.summary in shown


def test_version() -> None:
    assert succeeded("--version") == f"soundseek, version {soundseek.__version__}\n"


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["serch", "rain"], "did you mean: soundseek search"),
        (["library", "stats"], "did you mean: soundseek library status"),
        (["rain on a roof"], 'soundseek search "rain on a roof"'),
        (["models", "zzz"], "the commands are list, show"),
    ],
)
def test_an_unknown_command_is_refused_with_a_suggestion(words: list[str], suggestion: str) -> None:
    result = typed(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert suggestion in result.stderr


def test_an_unknown_option_is_refused() -> None:
    result = typed("search", "rain", "--louder")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert "--louder" in result.stderr
    assert "search --help" in result.stderr
