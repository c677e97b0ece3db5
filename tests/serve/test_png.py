"""PNG: read back by a decoder of the test's own."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from soundseek.serve.png import png

PALETTE = np.array([[0, 0, 0, 0], [255, 0, 10, 128], [1, 2, 3, 255]], np.uint8)


def chunks(content: bytes) -> dict[bytes, bytes]:
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = {}, 8
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", content[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(kind + data)
        found[kind] = data
        at += 12 + length
    return found


def test_a_picture_comes_back() -> None:
    indices = np.random.default_rng(0).integers(0, 3, (5, 7)).astype(np.uint8)
    found = chunks(png(indices, PALETTE))
    assert list(found) == [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", found[b"IHDR"]) == (7, 5, 8, 3, 0, 0, 0)
    assert found[b"PLTE"] == PALETTE[:, :3].tobytes()
    assert found[b"tRNS"] == bytes([0, 128, 255])
    rows = np.frombuffer(zlib.decompress(found[b"IDAT"]), np.uint8).reshape(5, 8)
    assert not rows[:, 0].any()
    np.testing.assert_array_equal(rows[:, 1:], indices)


@pytest.mark.parametrize(
    ("shape", "palette"),
    [((0, 3), PALETTE), ((4,), PALETTE), ((2, 2), PALETTE[:, :3]), ((2, 2), PALETTE[:1])],
)
def test_what_is_no_picture(shape: tuple[int, ...], palette: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"picture|palette|colour"):
        png(np.ones(shape, np.uint8), palette)
