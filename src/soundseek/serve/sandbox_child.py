"""The process that decodes one untrusted sound: `python -m soundseek.serve.sandbox_child …`.

Arguments: file, rate in Hz, most samples, bytes of memory, seconds of processor time. It limits
itself before the first byte of the sound is read, and writes to its standard output alone.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from soundseek.serve import sandbox_protocol as protocol

_SAMPLES_AT_ONCE = protocol.MOST_BYTES // 4
_BLOCK_S = 1.0
_MOST_FILES = 64


def limit_resources(memory_bytes: int, cpu_s: float) -> bool:
    """Cap memory, processor time, files and processes of this process; False where the system
    knows no such limits (Windows)."""
    try:
        import resource
    except ImportError:
        return False
    seconds = max(1, math.ceil(cpu_s))
    limits = {
        "RLIMIT_AS": memory_bytes,
        "RLIMIT_DATA": memory_bytes,
        "RLIMIT_CPU": seconds,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": _MOST_FILES,
        "RLIMIT_CORE": 0,
        # No further process or thread; those that run as root are not bound by it.
        "RLIMIT_NPROC": 0,
    }
    for name, most in limits.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):  # macOS refuses some that are below what is in use
            continue
    return True


def decode(path: Path, rate: int, most_samples: int, out: BinaryIO) -> None:
    """Send the sound as messages, up to one sample more than `most_samples`."""
    import numpy as np

    from soundseek.audio.decode import stream
    from soundseek.audio.source import printable
    from soundseek.errors import AudioError

    left = most_samples + 1
    try:
        for block in stream(path, rate, _BLOCK_S):
            samples = np.ascontiguousarray(block[:left], "<f4")
            left -= samples.size
            for start in range(0, samples.size, _SAMPLES_AT_ONCE):
                part = samples[start : start + _SAMPLES_AT_ONCE]
                protocol.send(out, protocol.SAMPLES, part.tobytes())
            if left == 0:
                break
    except AudioError as error:
        message = error.message.removeprefix(f"{printable(path)}: ")
        _fail(out, message, error.remedy)
    except MemoryError:
        _fail(out, "decoding it takes too much memory", "convert it to WAV or FLAC first")
    else:
        protocol.send(out, protocol.DONE)


def _fail(out: BinaryIO, message: str, remedy: str | None) -> None:
    content = json.dumps({"message": message[:2000], "remedy": remedy}).encode()
    protocol.send(out, protocol.FAILED, content)


def main(arguments: list[str]) -> None:
    """Run the process."""
    path, rate, most_samples, memory_bytes, cpu_s = arguments
    # Everything is imported while files may still be opened freely.
    for library in ("soundfile", "soxr", "av"):
        with contextlib.suppress(ImportError):  # PyAV is an extra
            import_module(library)
    limit_resources(int(memory_bytes), float(cpu_s))
    out = sys.stdout.buffer
    decode(Path(path), int(rate), int(most_samples), out)
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
