"""Does a bundle's folder hold what its bundle.json promises?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from soundseek.bundle.fingerprint import fingerprint, sha256_of_file
from soundseek.bundle.schema import MANIFEST_FILE, BundleManifest, FileRecord
from soundseek.errors import BundleError

REMEDY = "the bundle is damaged: fetch or export it again"


def read_manifest(folder: Path) -> tuple[BundleManifest, str]:
    """Read bundle.json of `folder`; return the manifest and the bundle's fingerprint.

    Raises `BundleError` if there is no readable bundle.json or if it holds problems.
    """
    path = folder / MANIFEST_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{folder} is no model bundle: cannot read {MANIFEST_FILE} ({error.strerror})",
            remedy="name a bundle's folder or a .soundseek file",
        ) from error
    return BundleManifest.from_json(content, where=str(path)), fingerprint(content)


def check_sizes(folder: Path, manifest: BundleManifest) -> None:
    """Raise `BundleError` naming every file that is missing or has another size: instant."""
    _check(folder, manifest, _size_problem)


def check_hashes(folder: Path, manifest: BundleManifest) -> None:
    """Raise `BundleError` naming every file whose content differs: reads all of the bundle."""
    _check(
        folder,
        manifest,
        lambda path, record: _size_problem(path, record) or _hash_problem(path, record),
    )


def _check(
    folder: Path, manifest: BundleManifest, problem_of: Callable[[Path, FileRecord], str | None]
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
