from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from soundseek.library.hashing import content_hash


def test_content_hash_is_sha256_of_the_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert content_hash(path) == hashlib.sha256(content).digest()


def test_content_hash_of_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        content_hash(tmp_path / "absent.wav")
