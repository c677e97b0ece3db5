"""Sound of unknown origin to mono float32, decoded by a process that can do little harm.

The process has caps on memory, processor time and open files, may not write to any file nor start
another process, sees no environment but what Python needs, and is killed when its time is over.
What it sends back is bounded and never interpreted. On Windows only time and samples are capped: a
crafted file can take more memory there. The process runs as the same user: it is a fence against
bombs and crashes, not against an attacker who has taken over the decoder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy as np
from numpy.typing import NDArray

import soundseek
from soundseek.errors import AudioError
from soundseek.serve import sandbox_protocol as protocol

_MODULE: Final = "soundseek.serve.sandbox_child"
_CONVERT: Final = "convert it to WAV or FLAC, or send another sound"
_MOST_FAILURE_CHARS: Final = 2000


@dataclass(frozen=True, slots=True)
class Limits:
    """What decoding one sound may take.

    Attributes:
        seconds: of the clock, and of the processor.
        memory_bytes: of address space.
        duration_s: of decoded sound; a longer one is refused.
    """

    seconds: float = 20.0
    memory_bytes: int = 1 << 30
    duration_s: float = 600.0


def decode_untrusted(path: Path, sample_rate: int, limits: Limits) -> NDArray[np.float32]:
    """Return the sound at `path` as mono float32 [n] at `sample_rate` Hz, n at least 1.

    The name of the file does not matter. Raises AudioError if it cannot be decoded within the
    limits, holds no sound, or holds more than `limits.duration_s`.
    """
    most_samples = int(limits.duration_s * sample_rate)
    numbers = (sample_rate, most_samples, limits.memory_bytes, limits.seconds)
    with tempfile.TemporaryDirectory(prefix="soundseek-decode-") as own:
        process = subprocess.Popen(
            [sys.executable, "-P", "-B", "-m", _MODULE, os.fspath(path), *map(str, numbers)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=own,
            env=_environment(own),
            close_fds=True,
        )
        late = threading.Event()
        timer = threading.Timer(limits.seconds, _end, (process, late.set))
        timer.start()
        try:
            with process, cast(BinaryIO, process.stdout) as pipe:
                try:
                    samples = _received(pipe, most_samples, limits)
                finally:
                    process.kill()
        except _Broken as error:
            raise _cut_short(late.is_set(), process.returncode, limits) from error
        finally:
            timer.cancel()
    if not samples.size:
        raise AudioError("there is no sound in it")
    return samples


class _Broken(Exception):  # noqa: N818 - told as an AudioError
    """The process ended, or said something that it does not say."""


def _received(pipe: BinaryIO, most_samples: int, limits: Limits) -> NDArray[np.float32]:
    parts: list[NDArray[np.float32]] = []
    n_samples = 0
    while (message := protocol.receive(pipe)) is not None:
        if message.kind == protocol.DONE:
            return np.concatenate(parts) if parts else np.zeros(0, np.float32)
        if message.kind == protocol.FAILED:
            raise _failure(message.content)
        if len(message.content) % 4:
            break
        part = np.frombuffer(message.content, "<f4")
        if not np.isfinite(part).all():
            break
        n_samples += part.size
        if n_samples > most_samples:
            raise AudioError(
                f"it is longer than {limits.duration_s:g} s",
                remedy="send the part of it that matters",
            )
        parts.append(part)
    raise _Broken


def _failure(content: bytes) -> AudioError:
    try:
        told = json.loads(content)
        message, remedy = told["message"], told["remedy"]
    except (ValueError, KeyError, TypeError) as error:
        raise _Broken from error
    text = str(message)[:_MOST_FAILURE_CHARS]
    return AudioError(text, remedy=_CONVERT if remedy is None else str(remedy)[:300])


def _cut_short(late: bool, code: int | None, limits: Limits) -> AudioError:
    if late:
        return AudioError(f"decoding it takes more than {limits.seconds:g} s", remedy=_CONVERT)
    return AudioError(f"its decoder was stopped or crashed (code {code})", remedy=_CONVERT)


def _end(process: subprocess.Popen[bytes], tell: Callable[[], None]) -> None:
    tell()
    process.kill()


def _environment(folder: str) -> dict[str, str]:
    """Return what Python needs to start, and nothing that is secret."""
    kept = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    source = os.fspath(Path(soundseek.__file__).parents[1])
    return {
        **environment,
        "PYTHONPATH": os.pathsep.join([source, *_dependencies()]),
        "HOME": folder,
        "TMPDIR": folder,
        "TEMP": folder,
        "TMP": folder,
        # Each thread would reserve memory of its own.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def _dependencies() -> list[str]:
    """Return where this process was told to find packages beyond its installation."""
    return [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
