"""Does a model's folder hold what its manifest promises?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from soundseek.bundle.fingerprint import fingerprint, sha256_of_file
from soundseek.bundle.manifests import FileRecord
from soundseek.bundle.schema import MANIFEST_FILE, BundleManifest
from soundseek.errors import BundleError

REMEDY = "the bundle is damaged: fetch or export it again"


class Listing(Protocol):
    """A manifest, of a bundle or of a captioner: it lists the files beside it."""

    @property
    def files(self) -> Mapping[str, FileRecord]:
        """The files by name."""


def read_manifest(folder: Path) -> tuple[BundleManifest, str]:
    """Read bundle.json of `folder`; return the manifest and the bundle's fingerprint.

    Raises `BundleError` if there is no readable bundle.json or if it holds problems.
    """
    content = manifest_content(folder, MANIFEST_FILE, "model bundle")
    where = str(folder / MANIFEST_FILE)
    return BundleManifest.from_json(content, where=where), fingerprint(content)


def manifest_content(folder: Path, name: str, what: str) -> bytes:
    """Return the bytes of the manifest `name`; `BundleError` where `folder` is no `what`."""
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        packed = " or a .soundseek file" if name == MANIFEST_FILE else ""
        raise BundleError(
            f"{folder} is no {what}: cannot read {name} ({error.strerror})",
            remedy=f"name a {what.split()[-1]}'s folder{packed}",
        ) from error


def check_sizes(folder: Path, manifest: Listing) -> None:
    """Raise `BundleError` naming every file that is missing or has another size: instant."""
    _check(folder, manifest, _size_problem)


def check_hashes(folder: Path, manifest: Listing) -> None:
    """Raise `BundleError` naming every file whose content differs: reads all of it."""
    _check(
        folder,
        manifest,
        lambda path, record: _size_problem(path, record) or _hash_problem(path, record),
    )


def _check(
    folder: Path, manifest: Listing, problem_of: Callable[[Path, FileRecord], str | None]
) -> None:
    found = [
        f"{name} {problem}"
        for name, record in manifest.files.items()
        if (problem := problem_of(folder / name, record)) is not None
    ]
    if found:
        raise BundleError(f"{folder}: {'; '.join(found)}", remedy=REMEDY)


def _size_problem(path: Path, record: FileRecord) -> str | None:
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    return None if size == record.bytes else f"has {size} bytes instead of {record.bytes}"


def _hash_problem(path: Path, record: FileRecord) -> str | None:
    return None if sha256_of_file(path) == record.sha256 else "has been altered (its hash differs)"
