"""Downloading the parser that SPICE needs, for those who are online."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from soundseek.cli.extras import needing_lab
from soundseek.cli.terminal import say, shown_path
from soundseek.errors import DataError


def fetch_parser(folder: Path) -> None:
    """Put SPICE's parser and its models into `folder`, resuming what was begun.

    No checksum of the archive is published: the one of the first download is noted beside it, and
    the two files are checked by the archive's own.

    Raises `DataError` when it cannot be had, with its address and where to put it, or is damaged.
    """
    from soundseek.metrics.captions.spice import ARCHIVE_NAME, ARCHIVE_URL, PARSER_FILES

    with needing_lab():
        from soundseek.lab.data.downloads import RemoteFile, fetch
    folder.mkdir(parents=True, exist_ok=True)
    say(f"fetching {ARCHIVE_URL} (0.4 GB) into {shown_path(folder)}", err=True)
    archive = fetch(RemoteFile(ARCHIVE_URL, f"{ARCHIVE_NAME}.zip"), folder)
    try:
        with zipfile.ZipFile(archive) as whole:
            for name in PARSER_FILES:
                draft = folder / f".{name}.partial"
                with whole.open(f"{ARCHIVE_NAME}/{name}") as source, draft.open("wb") as target:
                    shutil.copyfileobj(source, target)
                draft.replace(folder / name)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise DataError(
            f"{archive} is not SPICE's parser: {error}", remedy="delete it and fetch it again"
        ) from error
    archive.unlink()
