"""A gallery: forty queries that people type, and the first five sounds that a model gives, by name.

    python bench/gallery.py --data DATA [--model NAME_OR_FOLDER] [--out docs/model-gallery.md]

Searched are the clips that no shipped model was trained on: the test split of every tier, and all
clips of text-to-audio systems. DATA holds clips.jsonl. The same model, data and machine give the
same text.
"""

from __future__ import annotations

import argparse
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gallery_queries import QUERIES, Query
from soundseek import load_bundle
from soundseek.bundle.runtime import Bundle
from soundseek.lab.data.manifest import Clip, read_clips_jsonl, select
from soundseek.lab.scorecard import embed_clips
from soundseek.serve.probability import probability

OUT = Path(__file__).parent.parent / "docs" / "model-gallery.md"
SHOWN = 5
# Prompts of generated clips, many of them captions of a corpus, are shown by their beginning.
PROMPT_WORDS = 5


def searched(clips: Sequence[Clip]) -> list[Clip]:
    """Test clips of all tiers, and generated clips of all splits."""
    wanted = [*select(clips, split="test"), *select(clips, sources=("generated",))]
    return list({clip.id: clip for clip in wanted}.values())


def name_of(clip: Clip) -> str:
    """The most telling of the clip's own names, after its class where that adds a word."""
    if clip.source == "generated":
        words = clip.captions[0].split()
        name = " ".join(words[:PROMPT_WORDS]) + (" …" if len(words) > PROMPT_WORDS else "")
    else:
        names = (" ".join(name.split()) for name in clip.tags)
        name = max(names, key=len, default=clip.label or "")
    if clip.label is not None and clip.label.lower() not in name.lower():
        name = f"{clip.label}: {name}"
    return name.replace("|", "/").replace("<", "‹").replace(">", "›").replace("*", "·")


def first(scores: NDArray[np.float32]) -> list[int]:
    """Places of the best scores; of equal ones the earlier clip stands first."""
    return [int(place) for place in np.argsort(-scores, kind="stable")[:SHOWN]]


def remark(query: Query, bundle: Bundle, scores: NDArray[np.float32], audio: NDArray) -> str:
    """What can be counted about an answer; empty where there is nothing to say."""
    said = []
    unknown = bundle.unknown_words(query.text)
    if unknown:
        said.append(f"Words that the model cannot read: {', '.join(unknown)}.")
    calibration = bundle.manifest.similarity.calibration
    if calibration is not None:
        likely = sum(probability(calibration, float(score)) >= 0.5 for score in scores)
        said.append(f"Clips with a probability of one half or more: {likely}.")
    if query.beside is not None:
        other = first(audio @ bundle.encode_text(query.beside)[0])
        shared = len(set(other) & set(first(scores)))
        said.append(f"Of the five, {shared} are among the five of “{query.beside}”.")
    return " ".join(said)


def section(
    number: int, query: Query, bundle: Bundle, clips: Sequence[Clip], audio: NDArray
) -> str:
    scores = audio @ bundle.encode_text(query.text)[0]
    calibration = bundle.manifest.similarity.calibration
    lines = [
        f"### {number}. {query.text}\n",
        f"{query.kind[0].upper()}{query.kind[1:]}. {remark(query, bundle, scores, audio)}\n",
        "| | name | clip | cosine | probability |",
        "| --- | --- | --- | --- | --- |",
    ]
    for rank, place in enumerate(first(scores), start=1):
        cosine = float(scores[place])
        likely = "" if calibration is None else f"{probability(calibration, cosine):.2f}"
        # The head of the id, which begins with the source, finds the clip in clips.jsonl.
        source, _, key = clips[place].id.partition("/")
        name = name_of(clips[place])
        lines.append(f"| {rank} | {name} | {source}/{key[:6]} | {cosine:.3f} | {likely} |")
    return "\n".join(lines)


def opening(bundle: Bundle, clips: Sequence[Clip], left_out: int) -> str:
    hours = sum(clip.duration_s for clip in clips) / 3600
    tiers = Counter(
        "text-to-audio systems" if clip.source == "generated" else f"{clip.tier} tier, test split"
        for clip in clips
    )
    parts = "; ".join(f"{name}: {n}" for name, n in sorted(tiers.items()))
    unread = f" {left_out} more could not be read." if left_out else ""
    paragraphs = (
        f"What the model `{bundle.name}` (fingerprint `{bundle.fingerprint[:12]}`) answers to "
        f"{len(QUERIES)} queries of the kinds that people type. Searched: {len(clips):,} clips, "
        f"{hours:.1f} hours ({parts}). None of them was in the training of a shipped model; a few "
        f"share a recording with a clip that was (docs/results.md).{unread} By sound alone: a "
        "clip's score is the cosine between the query's vector and the clip's, and no name, folder "
        "or caption is looked at. The probability is the model's own calibration of that cosine: "
        "of the hits of its validation clips that scored so, this share was right by their "
        "captions.",
        "Shown are the first five, whatever they are, by the names that their makers gave them, "
        "after their class where they have one; clips of text-to-audio systems by the beginning of "
        "their prompt (a file name where none is known), though what they play may be something "
        "else. Several takes of one sound have one name. A name is not the sound: judge with care. "
        "The queries were written before the answers were seen, and none was left out. What stands "
        "under a query is counted, not judged.",
        "Made by `python bench/gallery.py --data DATA`.",
    )
    return "\n\n".join(
        [
            "# Model gallery",
            *(textwrap.fill(text, 100, break_on_hyphens=False) for text in paragraphs),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with clips.jsonl")
    parser.add_argument("--model", help="bundle, default the embedded one")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()

    bundle = load_bundle(options.model, threads=1)
    wanted = searched(read_clips_jsonl(options.data / "clips.jsonl"))
    clips, audio = embed_clips(wanted, lambda path: bundle.encode_audio(path)[0])
    sections = [
        section(number, query, bundle, clips, audio)
        for number, query in enumerate(QUERIES, start=1)
    ]
    text = "\n\n".join([opening(bundle, clips, len(wanted) - len(clips)), *sections])
    options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
