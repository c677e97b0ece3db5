"""Hashes that tell one bundle, and one file, from another."""

from __future__ import annotations

import hashlib
from pathlib import Path


def sha256_of_bytes(content: bytes) -> str:
    """Return the SHA-256 of `content` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's content, read in blocks; `OSError` if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(manifest_content: bytes) -> str:
    """Return a bundle's fingerprint: the SHA-256 of the bytes of its bundle.json.

    bundle.json lists the hash of every other file, so the fingerprint covers the whole bundle.
    """
    return sha256_of_bytes(manifest_content)
