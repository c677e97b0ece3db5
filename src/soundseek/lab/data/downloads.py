"""Published files, fetched once: resumed, verified, renamed into place, and then written down.

A folder of downloads holds the files, `downloads.json` (what was fetched, when, its checksums) and,
while something is under way, `{name}.partial`. What `downloads.json` names is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soundseek import __version__
from soundseek.errors import DataError
from soundseek.lab.data.locking import folder_lock
from soundseek.lab.data.transfer import Interrupted, OnBytes, transfer

LEDGER = "downloads.json"
_SCHEMA_VERSION = 1
_LOCK = ".downloads.lock"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """A file on the web. Checksums are lower-case hex, and None where none is known: the one that
    is measured at the first download is then what later ones are compared with."""

    url: str
    name: str
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class _Measured:
    size: int
    sha256: str
    md5: str


class _DamagedError(DataError):
    """A file whose size or checksum is wrong."""


def fetch(
    file: RemoteFile,
    folder: str | Path,
    *,
    offline: bool = False,
    attempts: int = 5,
    backoff_s: float = 1.0,
    timeout_s: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
    on_bytes: OnBytes | None = None,
) -> Path:
    """The path of `file` below `folder`, downloaded unless it is there.

    A file that somebody put there by hand is taken when its checksum is right. A transfer that
    breaks off is resumed, after `backoff_s`, twice that, and so on; it ends after `attempts`,
    counted anew from each that got further than all before.

    Raises `DataError` when it cannot be had (with its address, and where to put it), when `offline`
    and it is not there, when the checksum is wrong, and when another process works in `folder`.
    """
    folder = Path(folder)
    target = folder / file.name
    if target.parent != folder or file.name in {"", ".", "..", LEDGER, _LOCK}:
        raise DataError(f"{file.name!r} is no name for a downloaded file")
    with folder_lock(folder, _LOCK):
        ledger = _read_ledger(folder)
        entry = ledger["files"].get(file.name)
        if target.is_file():
            if entry is not None and entry["bytes"] == target.stat().st_size:
                _compare(file, entry, target)
            else:
                measured = _measured(target)
                _verify(file, measured, None, f"{target} is not what was published")
                _write_down(folder, ledger, file, measured, "put there by hand")
            return target
        if offline:
            raise DataError(f"{target} is not there", remedy=_by_hand(file, target))
        partial = folder / f"{file.name}.partial"
        recorded = None if entry is None else str(entry["sha256"])
        # An older piece may be the bad one: then once from the beginning.
        for last in (False, True) if partial.is_file() else (True,):
            try:
                _transfer(file, target, partial, attempts, backoff_s, timeout_s, sleep, on_bytes)
                measured = _measured(partial)
                _verify(file, measured, recorded, f"{file.url} arrived damaged")
                break
            except _DamagedError:
                _forget(partial)
                if last:
                    raise
        with partial.open("rb") as whole:
            os.fsync(whole.fileno())
        partial.replace(target)
        _forget(partial)
        _write_down(folder, ledger, file, measured, "downloaded")
    return target


def _transfer(
    file: RemoteFile,
    target: Path,
    partial: Path,
    attempts: int,
    backoff_s: float,
    timeout_s: float,
    sleep: Callable[[float], None],
    on_bytes: OnBytes | None,
) -> None:
    """Attempts, until all is there. A server that begins anew each time is no progress."""
    failures, furthest = 0, partial.stat().st_size if partial.is_file() else 0
    while True:
        try:
            transfer(file.url, partial, timeout_s=timeout_s, on_bytes=on_bytes)
            return
        except Interrupted as reason:
            size = partial.stat().st_size if partial.is_file() else 0
            failures = 1 if size > furthest else failures + 1
            furthest = max(furthest, size)
            if failures >= attempts:
                raise DataError(
                    f"cannot fetch {file.url}: {reason} ({failures} attempts)",
                    remedy=_by_hand(file, target),
                ) from reason
            sleep(backoff_s * 2 ** (failures - 1))
        except DataError as error:
            raise DataError(error.message, remedy=_by_hand(file, target)) from error


def _compare(file: RemoteFile, entry: dict[str, Any], target: Path) -> None:
    """Refuse a file that was downloaded when another version was published."""
    if file.sha256 not in {None, entry["sha256"]} or file.md5 not in {None, entry["md5"]}:
        raise DataError(
            f"{target} is of another version than {file.url}",
            remedy="move it away and fetch it again",
        )


def _measured(path: Path) -> _Measured:
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            sha256.update(block)
            md5.update(block)
            size += len(block)
    return _Measured(size, sha256.hexdigest(), md5.hexdigest())


def _verify(file: RemoteFile, measured: _Measured, recorded: str | None, what: str) -> None:
    for kind, expected, found in (
        ("size", file.size, measured.size),
        ("MD5", file.md5, measured.md5),
        ("SHA-256", file.sha256, measured.sha256),
        ("SHA-256 as first downloaded", recorded, measured.sha256),
    ):
        if expected is not None and expected != found:
            remedy = "move it away and fetch it again, or from another network"
            if expected == recorded:
                remedy = f"if the new version is wanted, take its entry out of {LEDGER}"
            raise _DamagedError(f"{what}: {kind} {found}, expected {expected}", remedy=remedy)


def _by_hand(file: RemoteFile, target: Path) -> str:
    return f"fetch {file.url} by other means and put it at {target}"


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    partial.with_name(partial.name + ".json").unlink(missing_ok=True)


def _read_ledger(folder: Path) -> dict[str, Any]:
    path = folder / LEDGER
    if not path.is_file():
        return {"schema_version": _SCHEMA_VERSION, "files": {}}
    try:
        ledger = json.loads(path.read_text(encoding="utf-8"))
        version = ledger["schema_version"]
        files = ledger["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is damaged: {error!r}", remedy="delete it; the files are verified again"
        ) from error
    if version > _SCHEMA_VERSION:
        raise DataError(f"{path} is of a later soundseek", remedy="pip install --upgrade soundseek")
    return {"schema_version": _SCHEMA_VERSION, "files": files}


def _write_down(
    folder: Path, ledger: dict[str, Any], file: RemoteFile, measured: _Measured, how: str
) -> None:
    published = [kind for kind in ("sha256", "md5", "size") if getattr(file, kind) is not None]
    ledger["made_by"] = f"soundseek {__version__}"
    ledger["files"][file.name] = {
        "url": file.url,
        "bytes": measured.size,
        "sha256": measured.sha256,
        "md5": measured.md5,
        "verified_by": published or ["recorded at first download"],
        "how": how,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    draft = folder / f"{LEDGER}.draft"
    draft.write_text(json.dumps(ledger, indent=2, sort_keys=True), encoding="utf-8")
    draft.replace(folder / LEDGER)
