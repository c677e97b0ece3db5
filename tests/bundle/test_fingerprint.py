from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from soundseek.bundle.fingerprint import fingerprint, sha256_of_bytes, sha256_of_file


def test_hashes_agree(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    assert sha256_of_bytes(content) == sha256_of_file(tmp_path / "file") == expected
    assert fingerprint(content) == expected


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sha256_of_file(tmp_path / "gone")
