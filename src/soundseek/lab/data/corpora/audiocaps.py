"""AudioCaps 1.0 (Kim et al., NAACL 2019): captions of ten-second AudioSet clips.

As published: `train.csv`, `val.csv`, `test.csv` with audiocap_id, youtube_id, start_time, caption;
one caption a clip in train, five rows a clip in val and test. Sounds are not published; what people
fetched lies in `train/`, `val/`, `test/` or `audio/{split}/` under one of the common names.
"""

from __future__ import annotations

from pathlib import Path

from soundseek.errors import DataError
from soundseek.lab.data.grouping import by_shared_captions
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.sounding import SoundIndex
from soundseek.lab.data.tables import read_table

SPLITS = {"train": "train", "val": "validation", "test": "test"}
_CLIP_S = 10.0


def read(root: Path) -> list[Clip]:
    """The splits whose table is in `root` or `root/dataset` (`train.csv` or
    `audiocaps_train.csv`). A sound is called `Y{youtube_id}`, `{youtube_id}_{start_time}`,
    `{youtube_id}` or `{audiocap_id}`. A clip's id is `audiocaps/{split}/{youtube_id}_{start}`.
    """
    clips: list[Clip] = []
    for split in SPLITS:
        tables = [
            root / place / name
            for place in ("", "dataset")
            for name in (f"{split}.csv", f"audiocaps_{split}.csv")
        ]
        table = next((path for path in tables if path.is_file()), None)
        if table is not None:
            clips += _clips(root, split, table)
    if not clips:
        raise DataError(
            f"{root} has no AudioCaps tables", remedy="expected train.csv, val.csv or test.csv"
        )
    return by_shared_captions(clips)


def _clips(root: Path, split: str, table: Path) -> list[Clip]:
    sounds = SoundIndex(root / split, root / "audio" / split, root / "audio", root)
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in read_table(table, ("audiocap_id", "youtube_id", "start_time", "caption")):
        rows.setdefault((row["youtube_id"], row["start_time"]), []).append(row)
    clips = []
    for (youtube, start), own in rows.items():
        name = f"audiocaps/{split}/{youtube}_{start}"
        clips.append(
            Clip(
                id=name,
                path=sounds.path(
                    f"Y{youtube}.wav",
                    f"{youtube}_{start}.wav",
                    f"{youtube}.wav",
                    *(f"{row['audiocap_id']}.wav" for row in own),
                ),
                duration_s=_CLIP_S,
                captions=tuple(text for row in own if (text := row["caption"].strip())),
                source="audiocaps",
                split=SPLITS[split],
                licence="captions MIT; sound by YouTube's terms",
                group=name,
                origin=f"https://www.youtube.com/watch?v={youtube}&t={start}s",
                youtube_id=youtube,
            )
        )
    return clips
