from __future__ import annotations

import errno
import os

import click
import pytest

from soundseek.cli.exits import guarded
from soundseek.errors import LibraryError, SoundseekError


def raising(error: BaseException) -> int:
    def command() -> None:
        raise error

    return guarded(command)


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (1, 1), (130, 130), ("text", 0)])
def test_a_result_is_the_exit_code(result: object, code: int) -> None:
    assert guarded(lambda: result) == code


def test_a_deliberate_error_is_a_message_with_its_remedy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert raising(LibraryError("the library is damaged", remedy="make it anew")) == 2
    assert capsys.readouterr() == ("", "error: the library is damaged\n  → make it anew\n")


def test_an_error_without_remedy_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(SoundseekError("no")) == 2
    assert capsys.readouterr().err == "error: no\n"


def test_a_traceback_is_there_for_the_asking(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUNDSEEK_DEBUG", "1")
    assert raising(SoundseekError("no")) == 2
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert shown.endswith("error: no\n")


def test_a_full_disk_says_so_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/disk/library.db")
    assert raising(error) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: /disk/library.db: {os.strerror(errno.ENOSPC)}\n")
    assert "make room" in shown


def test_any_error_of_the_system_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(OSError("odd")) == 2
    assert capsys.readouterr().err == "error: odd\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_is_130(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(error) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_reader_that_has_seen_enough_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(BrokenPipeError(errno.EPIPE, "Broken pipe")) == 0
    assert capsys.readouterr() == ("", "")


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        raising(ZeroDivisionError())
