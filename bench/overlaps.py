"""What the scorecard's sets share with what the embedded model learns from.

    python bench/overlaps.py --data DATA [--texts FILE ...] [--out docs/results/overlaps.md]

For each set, with the training clips of the free tier: clips cut from a Freesound recording that a
training clip is cut from too; clips whose group, or whose class, is trained on; and queries whose
text is a training caption, or a caption in the texts read without sound, word for word.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from soundseek.lab.data.manifest import Clip, read_clips_jsonl, select
from soundseek.lab.data.texts import read_captions_csv
from soundseek.lab.scorecard import RETRIEVAL, ZERO_SHOT
from soundseek.text.normalise import normalise_caption

OUT = Path(__file__).parent.parent / "docs" / "results" / "overlaps.md"
TEXTS = ("text/audiocaps_train.csv", "text/audiocaps_val.csv")
COLUMNS = (
    "set",
    "clips",
    "of known recordings",
    "recording trained on",
    "group trained on",
    "class trained on",
    "queries",
    "training captions",
    "texts without sound",
)


def normalised(texts: Sequence[str]) -> set[str]:
    return {normalise_caption(text) for text in texts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with clips.jsonl")
    parser.add_argument("--texts", nargs="*", default=TEXTS, help="files in DATA")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()

    clips = read_clips_jsonl(options.data / "clips.jsonl")
    trained = select(clips, split="train", tiers=("free",))
    recordings = {clip.freesound_id for clip in trained} - {None}
    groups = {clip.group for clip in trained}
    labels = {clip.label for clip in trained} - {None}
    captions = normalised([text for clip in trained for text in clip.captions])
    read = [text for file in options.texts for text in read_captions_csv(options.data / file)]
    texts = normalised(read)

    def row(name: str, chosen: Sequence[Clip], asked: set[str]) -> str:
        known = [clip for clip in chosen if clip.freesound_id is not None]
        cells = [
            name,
            len(chosen),
            len(known),
            sum(clip.freesound_id in recordings for clip in known),
            sum(clip.group in groups for clip in chosen),
            sum(clip.label in labels for clip in chosen),
            len(asked),
            len(asked & captions),
            len(asked & texts),
        ]
        return "| " + " | ".join(map(str, cells)) + " |"

    lines = ["| " + " | ".join(COLUMNS) + " |", "| --- " * len(COLUMNS) + "|"]
    for name, wanted in {**RETRIEVAL, **ZERO_SHOT}.items():
        chosen = select(clips, **wanted)
        if name in RETRIEVAL:
            asked = normalised([text for clip in chosen for text in clip.captions])
        else:
            asked = normalised([clip.label for clip in chosen if clip.label is not None])
        lines.append(row(name, chosen, asked))
    text = "\n".join(lines) + "\n"
    print(text)
    options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
