"""The same file under two names."""

from __future__ import annotations

import shutil
from pathlib import Path


def linked(file: Path, name: Path) -> None:
    """Let `name` be the file as well, in place of what it was; a copy where the file system knows
    no links."""
    draft = name.with_suffix(".partial")
    draft.unlink(missing_ok=True)
    try:
        draft.hardlink_to(file)
    except OSError:
        shutil.copyfile(file, draft)
    draft.replace(name)
    # Renaming one link onto another of the same file does nothing.
    draft.unlink(missing_ok=True)
