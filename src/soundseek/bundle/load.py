"""From a name or a path to a bundle that can run."""

from __future__ import annotations

import os
from pathlib import Path

from soundseek.bundle import catalogue
from soundseek.bundle.check import check_sizes, read_manifest
from soundseek.bundle.runtime import Bundle
from soundseek.errors import BundleError


def load_bundle(
    name_or_path: str | os.PathLike[str] | None = None, *, threads: int | None = None
) -> Bundle:
    """Open a model bundle: None is the embedded model, a text is a name or a path.

    A text is looked up in the catalogue first (see `soundseek.bundle.catalogue`) and is a path
    to a folder or a .soundseek file otherwise. Sizes are checked here, hashes when a .soundseek
    file is unpacked and in `Bundle.verify`. `threads` is how many threads a network may use;
    None is one for each processor that this process may run on.

    Raises `BundleError` if there is no such bundle, it is damaged, or it needs a newer soundseek.
    """
    path = resolve(name_or_path)
    if path.is_file():
        from soundseek.bundle.archive import unpack

        path = unpack(path)
    manifest, mark = read_manifest(path)
    check_sizes(path, manifest)
    return Bundle(path, manifest, fingerprint=mark, threads=threads)


def resolve(name_or_path: str | os.PathLike[str] | None) -> Path:
    """Return the folder or .soundseek file meant; `BundleError` if there is none."""
    if name_or_path is None:
        return catalogue.default_path()
    if not os.fspath(name_or_path):
        raise BundleError("the name of the model is empty", remedy="see: soundseek models list")
    path = Path(name_or_path)
    if isinstance(name_or_path, str):
        if any(entry.name == name_or_path for entry in catalogue.entries()):
            return catalogue.find(name_or_path).path
        if not path.exists() and path.name == name_or_path:
            return catalogue.find(name_or_path).path
    if not path.exists():
        raise BundleError(f"there is no model bundle at {path}", remedy="check the path")
    return path
