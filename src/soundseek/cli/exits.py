"""How a command ends: exit codes, and errors as messages instead of tracebacks.

A command returns None or one of the codes below. An error that escapes and is not among those
that are raised on purpose is a bug and keeps its traceback.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable

import click

from soundseek.cli.terminal import discard, say
from soundseek.errors import SoundseekError

DONE = 0
DONE_WITH_FAILURES = 1
WRONG_USE = 2
INTERRUPTED = 130

DEBUG_VARIABLE = "SOUNDSEEK_DEBUG"

_REMEDIES = {
    errno.ENOSPC: "make room on that disk and run the command again",
    errno.EDQUOT: "make room within your quota and run the command again",
    errno.EACCES: "check who may read and write there (ls -ld)",
    errno.EPERM: "check who may read and write there (ls -ld)",
    errno.EROFS: "choose a place that can be written to",
    errno.ENOENT: "check the path",
}


class OutputClosedError(Exception):
    """Nobody reads the output any more. Of the operating system's own error click would make an
    exit code of 1."""


def guarded(command: Callable[[], object]) -> int:
    """Run `command` and return the exit code of the process.

    Deliberate errors and those of the operating system become a message on stderr; with the
    environment variable SOUNDSEEK_DEBUG=1 their traceback comes before it. A reader that has
    seen enough of the output (`| head`) is no error.
    """
    try:
        result = command()
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.ClickException as error:
        return _fail(error.format_message(), _usage_remedy(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", None, INTERRUPTED)
    except OutputClosedError:
        _discard_output()
        return DONE
    except SoundseekError as error:
        return _fail(error.message, error.remedy, WRONG_USE)
    except OSError as error:
        if error.errno == errno.EPIPE:
            _discard_output()
            return DONE
        remedy = _REMEDIES.get(error.errno) if error.errno is not None else None
        code = _fail(_described(error), remedy, WRONG_USE)
        _discard_output()
        return code
    return result if isinstance(result, int) else DONE


def _fail(message: str, remedy: str | None, code: int) -> int:
    if os.environ.get(DEBUG_VARIABLE) == "1":
        import traceback

        say(traceback.format_exc(), err=True)
    say(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)
    if remedy is not None:
        say(f"  → {remedy}", err=True)
    return code


def _usage_remedy(error: click.ClickException) -> str | None:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{error.ctx.command_path} --help"
    return None


def _described(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        return what
    return f"{os.fsdecode(error.filename)}: {what}"


def _discard_output() -> None:
    """Give up those streams whose output nobody takes."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
            continue
        discard(stream)
