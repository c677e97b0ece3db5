"""Java programs of the COCO tools: where they are, and how they are run without surprises.

The programs come with pycocoevalcap. They are run with UTF-8 whatever the locale is, and what they
write to stderr is kept for the message of a failure.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from soundseek.errors import SoundseekError

INSTALL_JAVA = "install Java (a JRE of version 8 or later), or name it in JAVA_HOME"
INSTALL_TOOLS = "pip install 'soundseek[captions]'"
# Java 17 and before take the locale's encoding for files and pipes; later ones have UTF-8.
UTF8 = ("-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8")
_SHOWN_LINES = 3


class JavaError(SoundseekError):
    """A Java program that could not be started, was killed, or answered nonsense."""


def find_java() -> str | None:
    """Return the `java` of $JAVA_HOME, else the one on the path, else None."""
    home = os.environ.get("JAVA_HOME")
    if home:
        found = shutil.which("java", path=str(Path(home) / "bin"))
        if found:
            return found
    return shutil.which("java")


def java_version(java: str) -> int | None:
    """Return the major version (8, 11, 17 …), None if the program does not tell.

    Raises `JavaError` if it cannot be started.
    """
    _, told = run([java, "-version"], timeout_s=60)
    match = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(match[1]) if match else None


def tools_folder() -> Path:
    """Return the folder of pycocoevalcap. Raises `SoundseekError` where it is not installed."""
    from importlib.util import find_spec

    spec = find_spec("pycocoevalcap")
    places = None if spec is None else spec.submodule_search_locations
    if not places:
        raise SoundseekError(
            "captioning metrics need pycocoevalcap, which is not installed", remedy=INSTALL_TOOLS
        )
    return Path(next(iter(places)))


def jar(*parts: str) -> Path:
    """Return a file of pycocoevalcap. Raises `JavaError` if it is not there."""
    path = tools_folder().joinpath(*parts)
    if not path.is_file():
        raise JavaError(
            f"{path} is not there", remedy="pip install --force-reinstall pycocoevalcap"
        )
    return path


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    text: str | None = None,
    timeout_s: float | None = None,
) -> tuple[str, str]:
    """Run a program to its end with `text` on stdin; returns stdout and stderr.

    Raises `JavaError` if it cannot be started, ends with another status than 0, or takes longer
    than `timeout_s`.
    """
    try:
        done = subprocess.run(
            command,
            input=None if text is None else encoded(text),
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            check=False,
            timeout=timeout_s,
        )
    except OSError as error:
        raise JavaError(f"{command[0]} cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise JavaError(f"{command[0]} gave no answer for {timeout_s:.0f} s") from error
    told = done.stderr.decode("utf-8", "replace")
    if done.returncode != 0:
        raise JavaError(failure(done.returncode, told))
    return done.stdout.decode("utf-8", "replace"), told


def failure(status: int | None, told: str) -> str:
    """Return what to say of a program that ended with `status` and wrote `told` to stderr."""
    how = f"was killed by signal {-status}" if status and status < 0 else f"ended with {status}"
    lines = [line.strip() for line in told.splitlines() if line.strip()][:_SHOWN_LINES]
    return f"Java {how}" + (f": {' | '.join(lines)}" if lines else "")


def encoded(text: str) -> bytes:
    """Return text for a pipe; halves of surrogate pairs, which UTF-8 cannot hold, become ?."""
    return text.encode("utf-8", "replace")
