"""A small corpus of synthetic sounds with captions, for trying recipes without any data."""

from __future__ import annotations

import json
from pathlib import Path

import soundfile

from soundseek.synth import KINDS, render

_RATE = 16_000
_SPLITS = ("train", "train", "validation", "test")
_CAPTIONS = ("{}", "the sound of {}", "someone recorded {} here")


def write_synthetic_corpus(folder: Path, kinds: int = 8, duration_s: float = 1.6) -> Path:
    """Write clips.jsonl and its sounds into `folder`, unless they are there; returns the folder.

    Every kind has two training clips, one for validation and one for test, of three captions each;
    clips of one kind in one split share their text.
    """
    table = folder / "clips.jsonl"
    if table.exists():
        return folder
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rows = []
    for number, kind in enumerate(sorted(KINDS)[:: max(1, len(KINDS) // kinds)][:kinds]):
        for variant, split in enumerate(_SPLITS):
            name = f"{kind}-{variant}"
            # Lengths differ, so that batches need padding.
            length = duration_s * (0.5 + 0.25 * ((number + variant) % 3))
            sound = render(kind, variant=variant, duration_s=length, sample_rate=_RATE)
            soundfile.write(folder / "audio" / f"{name}.wav", sound, _RATE)
            caption = KINDS[kind].caption
            rows.append(
                {
                    "id": name,
                    "file": f"audio/{name}.wav",
                    "duration_s": round(length, 3),
                    "captions": [pattern.format(caption) for pattern in _CAPTIONS],
                    "source": "synthetic",
                    "split": split,
                    "licence": "CC0",
                    "group": f"{kind}-{split}",
                    "label": kind,
                    "tier": "free",
                    "caption_quality": 2,
                }
            )
    draft = table.with_suffix(".partial")
    draft.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    draft.replace(table)
    return folder
