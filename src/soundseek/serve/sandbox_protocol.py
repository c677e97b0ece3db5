"""How the process that decodes untrusted sound talks: messages of a kind, a length, and bytes.

Nothing that is read is ever executed: samples are raw float32, the rest is JSON.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Final, NamedTuple

HEADER: Final = struct.Struct("<cI")
MOST_BYTES: Final = 1 << 20
"""The largest message; a longer one comes from a process that is not what it was."""

SAMPLES: Final = b"S"
FAILED: Final = b"F"
DONE: Final = b"D"
KINDS: Final = frozenset({SAMPLES, FAILED, DONE})


class Message(NamedTuple):
    """`kind` is SAMPLES (float32, little-endian), FAILED (JSON: message, remedy), or DONE."""

    kind: bytes
    content: bytes


def send(stream: BinaryIO, kind: bytes, content: bytes = b"") -> None:
    """Write one message of at most `MOST_BYTES`."""
    stream.write(HEADER.pack(kind, len(content)) + content)


def receive(stream: BinaryIO) -> Message | None:
    """Read one message; None at the end of the stream, or for anything that is no message."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    kind, length = HEADER.unpack(header)
    if kind not in KINDS or length > MOST_BYTES:
        return None
    content = stream.read(length)
    return Message(kind, content) if len(content) == length else None
