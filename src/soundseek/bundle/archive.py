"""A bundle as one .soundseek file: a ZIP archive of its folder."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soundseek.bundle.check import REMEDY, check_hashes, check_sizes, read_manifest
from soundseek.bundle.fingerprint import fingerprint
from soundseek.bundle.places import unpacked_folder
from soundseek.bundle.schema import CONTENT_FILES, MANIFEST_FILE, SUFFIX, BundleManifest
from soundseek.errors import BundleError

_MANIFEST_LIMIT = 4_000_000
# What the standard library raises for archives that are damaged, encrypted or packed otherwise.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def pack(folder: Path, archive: Path) -> Path:
    """Write the bundle in `folder` to the file `archive`, replacing it, and return `archive`.

    The same bundle always gives the same bytes. Raises `BundleError` if the bundle is damaged or
    `archive` does not end in .soundseek.
    """
    archive = Path(archive)
    if archive.suffix != SUFFIX:
        raise BundleError(f"{archive} must end in {SUFFIX}", remedy=f"name it model{SUFFIX}")
    manifest, _ = read_manifest(folder)
    check_hashes(folder, manifest)
    archive.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{archive.name}-", dir=archive.parent)
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as packed:
            for name in (MANIFEST_FILE, *CONTENT_FILES):
                # A fixed date and mode: ZipInfo's own defaults are 1980 and 0600.
                member = zipfile.ZipInfo(name)
                member.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(member, (folder / name).read_bytes())
        Path(draft).chmod(0o644)
        Path(draft).replace(archive)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return archive


def unpack(archive: Path) -> Path:
    """Unpack a .soundseek file into the cache and return the folder, named by its fingerprint.

    A bundle that is there already is not unpacked again. Only the files that bundle.json lists
    are taken, by their fixed names, so that no member can be written outside the folder; their
    sizes are checked before and their hashes after unpacking. Raises `BundleError` for a file
    that is no such archive, holds anything else, or is damaged.
    """
    with _opened(archive) as packed:
        manifest, mark = _manifest_of(packed, archive)
        folder = unpacked_folder() / mark
        if not _is_whole(folder):
            _unpack_to(folder, packed, manifest, archive)
        return folder


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """Open the archive, and turn whatever goes wrong while it is open into `BundleError`."""
    try:
        with zipfile.ZipFile(archive) as packed:
            yield packed
    except OSError as error:
        raise BundleError(
            f"cannot unpack {archive}: {error}",
            remedy=f"if the file is whole, {unpacked_folder()} must be writable "
            "($SOUNDSEEK_CACHE chooses another place)",
        ) from error
    except _DAMAGE as error:
        raise BundleError(f"cannot unpack {archive}: {error}", remedy=REMEDY) from error


def _manifest_of(packed: zipfile.ZipFile, archive: Path) -> tuple[BundleManifest, str]:
    sizes = {member.filename: member.file_size for member in packed.infolist()}
    expected = {MANIFEST_FILE, *CONTENT_FILES}
    if sizes.keys() != expected or len(packed.infolist()) != len(expected):
        strange = sorted(sizes.keys() - expected)
        missing = sorted(expected - sizes.keys())
        found = [f"unexpected: {strange[:5]}"] if strange else []
        found += [f"missing: {missing}"] if missing else []
        raise BundleError(
            f"{archive} is no model bundle ({'; '.join(found) or 'a file is in it twice'})",
            remedy="make bundles with soundseek's own export",
        )
    if sizes[MANIFEST_FILE] > _MANIFEST_LIMIT:
        raise BundleError(f"{archive}: {MANIFEST_FILE} has {sizes[MANIFEST_FILE]} bytes, too many")
    content = packed.read(MANIFEST_FILE)
    manifest = BundleManifest.from_json(content, where=f"{MANIFEST_FILE} in {archive}")
    for name, record in manifest.files.items():
        if sizes[name] != record.bytes:
            raise BundleError(
                f"{archive}: {name} has {sizes[name]} bytes instead of {record.bytes}",
                remedy=REMEDY,
            )
    return manifest, fingerprint(content)


def _is_whole(folder: Path) -> bool:
    try:
        found, mark = read_manifest(folder)
        check_sizes(folder, found)
    except BundleError:
        return False
    return mark == folder.name


def _unpack_to(
    folder: Path, packed: zipfile.ZipFile, manifest: BundleManifest, archive: Path
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        for name in (MANIFEST_FILE, *CONTENT_FILES):
            with packed.open(name) as source, (draft / name).open("wb") as target:
                shutil.copyfileobj(source, target)
        check_hashes(draft, manifest)
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
        try:
            draft.rename(folder)
        except OSError:
            # Another process was faster with the same bundle: its copy is as good.
            if not _is_whole(folder):
                raise
    except BundleError as error:
        raise BundleError(f"{archive}: {error.message}", remedy=REMEDY) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
