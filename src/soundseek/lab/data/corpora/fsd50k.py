"""FSD50K (Fonseca et al., TASLP 2022; Zenodo 4060432): captions made from AudioSet labels.

As published: `FSD50K.ground_truth/{dev,eval}.csv`, `FSD50K.metadata/{dev,eval}_clips_info_FSD50K
.json`, and the sounds in `FSD50K.dev_audio/` and `FSD50K.eval_audio/`, named by Freesound id.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soundseek.errors import DataError
from soundseek.lab.data.ids import freesound_id, without_sound_suffix
from soundseek.lab.data.labels import generator_of, label_captions
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.sounding import SoundIndex
from soundseek.lab.data.tables import first_existing, read_json, read_table

_SPLITS = {"train": "train", "val": "validation", "eval": "test"}


def read(
    root: Path, *, seed: int = 0, captions_per_clip: int = 2, captions: str = ""
) -> list[Clip]:
    """`captions`: a table of captions written by people or a language model, which take the place
    of those made from labels: CSV with `fname` (or file_name, file, wav) and `caption`, or JSON
    `{"data": [{"wav": …, "caption": …}]}`. Clips that it does not name keep the captions from
    labels, `captions_per_clip` by templates drawn with `seed` for each clip by itself.

    Ids are `fsd50k/{dev|eval}/{fname}`. Clips of a split with the same labels are one group, but
    for those with captions of their own.
    """
    written = _written(Path(captions)) if captions else {}
    clips: list[Clip] = []
    for part in ("dev", "eval"):
        clips += _clips(root, part, written, seed, captions_per_clip)
    return clips


def _clips(root: Path, part: str, written: dict[str, list[str]], seed: int, n: int) -> list[Clip]:
    names = (f"FSD50K.ground_truth/{part}.csv", f"ground_truth/{part}.csv")
    table = first_existing(root, names, f"ground truth of FSD50K {part}")
    facts = _facts(root, part)
    sounds = SoundIndex(root / f"FSD50K.{part}_audio", root / f"{part}_audio")
    clips = []
    for row in read_table(table, ("fname", "labels")):
        name = row["fname"]
        split = _SPLITS.get(row.get("split") or part)
        if split is None:
            raise DataError(f"{table}: clip {name} is in an unknown split {row['split']!r}")
        labels = tuple(label for label in row["labels"].split(",") if label)
        own = written.get(name)
        known = facts.get(name, {})
        clip_id = f"fsd50k/{part}/{name}"
        made = label_captions(labels, n, generator_of(seed, clip_id))
        clips.append(
            Clip(
                id=clip_id,
                path=sounds.path(f"{name}.wav"),
                duration_s=0.0,
                captions=tuple(own) if own else made,
                tags=tuple(known.get("tags") or ()),
                source="fsd50k",
                split=split,
                freesound_id=freesound_id(name),
                licence=known.get("license") or "per clip, not stated here",
                group=clip_id if own else f"fsd50k/{split}/{','.join(sorted(labels))}",
                label=",".join(labels),
                caption_quality=2 if own else 1,
                author=known.get("uploader"),
                origin=f"https://freesound.org/s/{name}/",
            )
        )
    return clips


def _facts(root: Path, part: str) -> dict[str, dict[str, Any]]:
    for folder in ("FSD50K.metadata", "metadata"):
        path = root / folder / f"{part}_clips_info_FSD50K.json"
        if path.is_file():
            document: dict[str, dict[str, Any]] = read_json(path)
            return document
    return {}


def _written(path: Path) -> dict[str, list[str]]:
    rows = read_json(path)["data"] if path.suffix == ".json" else read_table(path, ("caption",))
    captions: dict[str, list[str]] = {}
    for row in rows:
        name = next((row[key] for key in ("fname", "file_name", "file", "wav") if key in row), None)
        if name is None:
            raise DataError(
                f"{path} does not say which clip a caption is of",
                remedy="name the column fname, file_name, file or wav",
            )
        if text := str(row.get("caption") or "").strip():
            captions.setdefault(without_sound_suffix(str(name)), []).append(text)
    return captions
