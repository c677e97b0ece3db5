"""DCASE 2024 Task 9 (language-queried source separation), synthetic validation set.

As published: `lass_synthetic_validation.csv`, each row a mixture (source, noise, snr, caption of
the source), and the unmixed clips in `lass_validation/`. For retrieval each source is one clip with
all of its captions.
"""

from __future__ import annotations

from pathlib import Path

from soundseek.errors import DataError
from soundseek.lab.data.grouping import by_shared_captions
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.sounding import SoundIndex
from soundseek.lab.data.tables import read_table

TABLE = "lass_synthetic_validation.csv"
_CAPTION_COLUMNS = ("caption", "query")


def read(root: Path) -> list[Clip]:
    """All sources, of the split validation, with ids `lass2024/{source}`; a caption that stands in
    several mixtures counts once."""
    rows = read_table(root / TABLE, ("source",))
    column = next((name for name in _CAPTION_COLUMNS if rows and name in rows[0]), None)
    if rows and column is None:
        raise DataError(f"{root / TABLE} has no column caption", remedy=f"has {', '.join(rows[0])}")
    sounds = SoundIndex(root / "lass_validation", root)
    captions: dict[str, dict[str, None]] = {}
    for row in rows:
        text = row[column or ""].strip()
        captions.setdefault(row["source"], {}).update({text: None} if text else {})
    return by_shared_captions(
        [
            Clip(
                id=f"lass2024/{source}",
                path=sounds.path(f"{source}.wav"),
                duration_s=0.0,
                captions=tuple(texts),
                source="lass2024",
                split="validation",
                licence="not stated",
                group=f"lass2024/{source}",
            )
            for source, texts in captions.items()
        ]
    )
