"""Unpacking what corpora are published in: .zip, .tar.*, .7z."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

from soundseek.errors import DataError

_SEVEN_ZIP_TOOLS = ("7zz", "7z", "7za", "7zr")


def extract(archive: str | Path, folder: str | Path) -> None:
    """Unpack `archive` into `folder`, over what is there: parts of one corpus share folders.

    Everything is unpacked beside first and moved when it is complete. Raises `DataError` for an
    unknown or damaged archive, for one whose members point outside of it, for the last part of a
    zip in several parts, and for .7z where nothing can unpack it.
    """
    archive, folder = Path(archive), Path(folder)
    draft = folder / f".{archive.name}.unpacking"
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir(parents=True)
    try:
        _unpack(archive, draft)
        _refuse_links(archive, draft)
        _merge(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def is_archive(name: str) -> bool:
    """Whether `extract` takes a file of this name."""
    return name.lower().endswith((".zip", ".7z", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"))


def _unpack(archive: Path, draft: Path) -> None:
    name = archive.name.lower()
    if not is_archive(name):
        raise DataError(f"{archive} is no archive", remedy="give a .zip, .tar.gz or .7z")
    if not archive.is_file():
        raise DataError(f"there is no {archive}")
    try:
        if name.endswith(".zip"):
            _unzip(archive, draft)
        elif name.endswith(".7z"):
            _unpack_7z(archive, draft)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(draft, filter="data")
    except tarfile.FilterError as error:
        raise DataError(f"{archive} points outside of itself: {error}") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError) as error:
        raise DataError(f"{archive} is damaged: {error}", remedy="fetch it again") from error


def _unzip(archive: Path, draft: Path) -> None:
    if archive.with_suffix(".z01").is_file():
        whole = archive.with_name(f"{archive.stem}.whole.zip")
        raise DataError(
            f"{archive} is the last of several parts",
            remedy=f"join them first: zip -s 0 '{archive}' --out '{whole}'",
        )
    with zipfile.ZipFile(archive) as packed:
        for member in packed.namelist():
            if not (draft / member).resolve().is_relative_to(draft.resolve()):
                raise DataError(f"{archive} points outside of itself: {member!r}")
        packed.extractall(draft)


def _unpack_7z(archive: Path, draft: Path) -> None:
    tool = next((found for name in _SEVEN_ZIP_TOOLS if (found := shutil.which(name))), None)
    if tool is None:
        raise DataError(
            f"{archive} needs 7-Zip, which is not installed",
            remedy="install 7zip (apt install 7zip, brew install sevenzip), or unpack it by hand",
        )
    done = subprocess.run(
        [tool, "x", "-y", f"-o{draft}", str(archive)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise DataError(f"{tool} cannot unpack {archive}: {last}", remedy="fetch it again")


def _refuse_links(archive: Path, draft: Path) -> None:
    for path in draft.rglob("*"):
        if path.is_symlink():
            raise DataError(f"{archive} holds a link, {path.relative_to(draft)}")


def _merge(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_dir():
            _merge(path, target / path.name)
        else:
            path.replace(target / path.name)
