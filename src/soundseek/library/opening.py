"""Opening a library: which database, which model, and whether the two belong together."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from soundseek.errors import BundleError, LibraryError
from soundseek.library.captions import forget_clips
from soundseek.library.database import DATABASE_FILE, Database
from soundseek.library.lock import writer_lock

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle


def open_library(
    folder: Path,
    bundle: Bundle | str | PathLike[str] | None,
    *,
    create: bool,
    read_only: bool,
    rebuild: bool,
) -> tuple[Database, Bundle | None]:
    """Return the database and, if it had to be loaded already, the model; see `Library.open`."""
    if rebuild:
        return _fitted(folder, bundle)
    if create and not Database.exists(folder):
        loaded = _loaded(bundle)
        return _made(folder, loaded), loaded
    database = Database.open(folder, read_only=read_only)
    if bundle is None:
        return database, None
    try:
        loaded = _loaded(bundle)
        _check_fingerprint(database, loaded)
    except BaseException:
        database.close()
        raise
    return database, loaded


def bundle_of(database: Database) -> Bundle:
    """Return the model that made the library: where it was then, else the one of its name.

    Raises LibraryError if neither is there any more, or it has become another one.
    """
    from soundseek.bundle import catalogue
    from soundseek.bundle.load import load_bundle

    meta = database.meta()
    places = [Path(meta["bundle_path"])]
    places += [entry.path for entry in catalogue.entries() if entry.name == meta["bundle_name"]]
    for place in places:
        # Gone, damaged or replaced: the next place may have it.
        with contextlib.suppress(BundleError):
            bundle = load_bundle(place)
            if bundle.fingerprint == meta["bundle_fingerprint"]:
                return bundle
    raise LibraryError(
        f"the model that made the library {database.path} is not on this machine: "
        f"{meta['bundle_name']!r}, fingerprint {meta['bundle_fingerprint'][:12]}",
        remedy="install it, or index the sounds again with another model: "
        "soundseek index FOLDER --rebuild",
    )


def _fitted(folder: Path, bundle: Bundle | str | PathLike[str] | None) -> tuple[Database, Bundle]:
    """Return a library that fits the model, whatever was in the folder."""
    if not Database.exists(folder):
        loaded = _loaded(bundle)
        return _made(folder, loaded), loaded
    with writer_lock(folder):
        try:
            database = Database.open(folder)
        except LibraryError:
            loaded = _loaded(bundle)
            _set_aside(folder)
            return _made(folder, loaded), loaded
        try:
            loaded = bundle_of(database) if bundle is None else _loaded(bundle)
            if loaded.fingerprint != database.meta()["bundle_fingerprint"]:
                _empty(database, loaded)
        except BaseException:
            database.close()
            raise
    return database, loaded


def _empty(database: Database, bundle: Bundle) -> None:
    """Forget all vectors and take the model `bundle`; known paths keep their tags, and contents
    what people wrote of them.

    They count as missing until an index run finds them.
    """
    with database.transaction() as connection:
        connection.execute(
            "UPDATE files SET clip_id = NULL, state = 'missing', size = -1, mtime_ns = -1,"
            " reason = NULL"
        )
        forget_clips(connection)
        connection.execute("DELETE FROM clips")
        database.set_meta(_bundle_meta(bundle))
        database.next_revision()


def _set_aside(folder: Path) -> None:
    """Rename a database that cannot be read, with its helper files, to library.db.old."""
    try:
        for suffix in ("-wal", "-shm", ""):
            path = folder / (DATABASE_FILE + suffix)
            if path.exists():
                path.replace(folder / f"{DATABASE_FILE}.old{suffix}")
    except OSError as error:
        raise LibraryError(
            f"cannot replace the library in {folder}: {error.strerror or error}",
            remedy="check the folder's permissions",
        ) from error


def _made(folder: Path, bundle: Bundle) -> Database:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(
            f"cannot make the folder {folder} for the library: {error.strerror or error}",
            remedy="choose another one with --library",
        ) from error
    created = {
        "created": datetime.now(UTC).isoformat(timespec="microseconds"),
        "roots": json.dumps([]),
    }
    return Database.create(folder, {**created, **_bundle_meta(bundle)})


def _loaded(bundle: Bundle | str | PathLike[str] | None) -> Bundle:
    if bundle is None or isinstance(bundle, str | PathLike):
        from soundseek.bundle.load import load_bundle

        return load_bundle(bundle)
    return bundle


def _bundle_meta(bundle: Bundle) -> dict[str, str]:
    audio = bundle.manifest.audio
    return {
        "bundle_name": bundle.name,
        "bundle_fingerprint": bundle.fingerprint,
        "bundle_path": fspath(bundle.folder.absolute()),
        "dimension": str(bundle.dimension),
        "sample_rate": str(audio.sample_rate),
        "window_samples": str(audio.window_samples),
        "hop_samples": str(audio.hop_samples),
    }


def _check_fingerprint(database: Database, bundle: Bundle) -> None:
    meta = database.meta()
    if bundle.fingerprint != meta["bundle_fingerprint"]:
        raise LibraryError(
            f"the library {database.path} was made with the model {meta['bundle_name']!r} "
            f"({meta['bundle_fingerprint'][:12]}), not with {bundle.name!r} "
            f"({bundle.fingerprint[:12]})",
            remedy="index again with this model (soundseek index FOLDER --rebuild --model "
            f"{bundle.name}), or choose another library with --library",
        )
