"""What reading a file gives: a new clip, a content that is known already, or a reason why not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundseek.library.scan import Found


@dataclass(frozen=True, eq=False)
class Embedded:
    """A new content.

    Attributes:
        file: where it was read.
        content_hash: SHA-256 of the file, 32 bytes.
        format, sample_rate, channels: of the file itself.
        duration_s: of the sound that could be decoded.
        windows: float16 [n_windows, dimension], L2-normalised.
        valid: uint32 [n_windows], samples of each window that are sound.
        vector: float16 [dimension], L2-normalised.
    """

    file: Found
    content_hash: bytes
    format: str
    sample_rate: int
    channels: int
    duration_s: float
    windows: NDArray[np.float16]
    valid: NDArray[np.uint32]
    vector: NDArray[np.float16]


@dataclass(frozen=True)
class Known:
    """A file whose content is in the library, or being read by another thread."""

    file: Found
    content_hash: bytes


@dataclass(frozen=True)
class Unreadable:
    """A file that gives no sound. `content_hash` is None if not even the bytes could be read."""

    file: Found
    reason: str
    content_hash: bytes | None


@dataclass(frozen=True)
class Crashed:
    """A thread ended with an error that is no file's fault."""

    error: BaseException


Outcome = Embedded | Known | Unreadable
