"""What every decoder shares: the description of a file, and how a decoder says that it failed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Block = tuple[NDArray[np.float32], int]
"""Mono samples [n] float32, and their rate in Hz."""


@dataclass(frozen=True)
class AudioInfo:
    """What a file says of itself, before any sample is decoded.

    Attributes:
        path: the file.
        format: a lower-case word to filter on: "wav", "flac", "ogg", "opus", "mp3", "aiff",
            "m4a", "webm", "wma", "mp4" and so on, told from the content, not from the name.
        sample_rate: in Hz, as stored.
        channels: as stored.
        duration_s: in seconds, or None where the container does not say.
    """

    path: Path
    format: str
    sample_rate: int
    channels: int
    duration_s: float | None


class DecoderFailure(Exception):  # noqa: N818 - not an error yet: the next decoder may succeed
    """One decoder cannot read a file (or cannot read on); the message is its short reason."""


class Decoder(Protocol):
    """What `decode` needs of a decoder: `decode_soundfile` and `decode_pyav` are such modules."""

    def probe(self, path: Path) -> AudioInfo:
        """Describe the file, or raise DecoderFailure."""

    def blocks(
        self, path: Path, *, block_s: float, start_s: float, duration_s: float | None
    ) -> Iterator[Block]:
        """Yield mono blocks of about `block_s` seconds at the file's own rate.

        The first sample is the one at `start_s`; `duration_s` None means up to the end. A failure
        raises DecoderFailure after everything decoded before it was yielded.
        """


def printable(path: Path) -> str:
    """Return the path for a message: control characters, and bytes that are not text, appear as
    escapes like \\n and \\xNN."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
