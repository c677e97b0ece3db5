"""From a name or a path to a captioner that can run, and to the bundle that it reads."""

from __future__ import annotations

import os
from pathlib import Path

from soundseek.bundle import catalogue as bundles
from soundseek.bundle.captioning import catalogue
from soundseek.bundle.captioning.captioner import Captioner
from soundseek.bundle.check import check_sizes
from soundseek.bundle.load import load_bundle
from soundseek.bundle.runtime import Bundle
from soundseek.errors import BundleError


def load_captioner(
    name_or_path: str | os.PathLike[str] | None = None,
    *,
    bundle: Bundle | None = None,
    threads: int | None = None,
) -> Captioner:
    """Open a captioner: a text is a name or a path, None is the one for `bundle`.

    Without `bundle`, None is the captioner of the embedded model. With it, a captioner that reads
    the vectors of another bundle is refused. `threads` is how many threads a network may use; None
    is one for each processor that this process may run on.

    Raises `BundleError` if there is no such captioner, it is damaged, it needs a newer soundseek,
    or it does not fit `bundle`.
    """
    path = _path(name_or_path, bundle)
    manifest, mark = catalogue.read_manifest(path)
    if bundle is not None and manifest.hears.fingerprint != bundle.fingerprint:
        raise BundleError(
            f"the captioner {manifest.name!r} reads the vectors of {manifest.hears.name!r} "
            f"({manifest.hears.fingerprint[:12]}), not of {bundle.name!r} "
            f"({bundle.fingerprint[:12]})",
            remedy=f"use it with {manifest.hears.name!r}, or name a captioner for {bundle.name!r}",
        )
    check_sizes(path, manifest)
    return Captioner(path, manifest, fingerprint=mark, threads=threads)


def bundle_for(captioner: Captioner, *, threads: int | None = None) -> Bundle:
    """Open the bundle whose vectors `captioner` reads; `BundleError` if it is not installed."""
    for entry in bundles.entries():
        try:
            bundle = load_bundle(entry.path, threads=threads)
        except BundleError:  # one damaged bundle must not hide the others
            continue
        if bundle.fingerprint == captioner.hears:
            return bundle
    hears = captioner.manifest.hears
    raise BundleError(
        f"the captioner {captioner.name!r} reads the vectors of the model {hears.name!r} "
        f"({hears.fingerprint[:12]}), which is not installed",
        remedy="name that model by its path, or choose another captioner",
    )


def _path(name_or_path: str | os.PathLike[str] | None, bundle: Bundle | None) -> Path:
    if name_or_path is None:
        if bundle is None:
            return catalogue.default_path()
        return catalogue.path_for(bundle.fingerprint, bundle.name)
    if not os.fspath(name_or_path):
        raise BundleError("the name of the captioner is empty", remedy="see: soundseek models list")
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and path.name == name_or_path:
        known = any(entry.name == name_or_path for entry in catalogue.entries())
        if known or not path.exists():
            return catalogue.find(name_or_path).path
    if not path.exists():
        raise BundleError(f"there is no captioner at {path}", remedy="check the path")
    return path
