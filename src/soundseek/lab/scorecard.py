"""The scores that a bundle carries: computed through the runtime, as a user would meet them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import AudioError, DataError
from soundseek.lab.data.manifest import Clip, select
from soundseek.lab.evaluate import class_name, plain, retrieval_scores, zero_shot

_Floats = NDArray[np.float32]
EncodeAudio = Callable[[str], _Floats]
EncodeText = Callable[[list[str]], _Floats]

# Name → clips asked for. Quality 0 captions do not tell what is heard. The research tier is not
# trained on, so that all of `generated` (clips of text-to-audio systems, their prompts as
# captions) can be asked for, whatever its split; its test clips are in `test_research` too.
RETRIEVAL: dict[str, dict[str, Any]] = {
    "validation": {"split": "validation", "tiers": ("free",), "min_quality": 1},
    "test": {"split": "test", "tiers": ("free",), "min_quality": 1},
    "test_research": {"split": "test", "tiers": ("research",), "min_quality": 1},
    "generated": {"sources": ("generated",), "min_quality": 1},
}
ZERO_SHOT: dict[str, dict[str, Any]] = {
    "urbansound8k_fold10": {"split": "test", "sources": ("urbansound8k",)},
    "esc10_fold5": {"split": "test", "sources": ("esc10",)},
    "animal_sound_test": {"split": "test", "sources": ("animal_sound",)},
    "joint_classes": {"split": "test", "sources": ("esc10", "urbansound8k", "animal_sound")},
}
# Set → class names of one meaning. "dog" and "dog bark" are one sound; a rooster is a chicken,
# and clips of chickens may well crow. Other neighbours, such as drilling and jackhammer, are told
# apart by the corpora themselves. Each name stays a text of its own: either is right for both.
SAME_CLASS: dict[str, dict[str, str]] = {
    "joint_classes": {"dog": "dog bark", "rooster": "chicken"},
}


def embed_clips(clips: Sequence[Clip], encode: EncodeAudio) -> tuple[list[Clip], _Floats]:
    """The clips that can be read, and their vectors `[n, dimension]`."""
    kept, vectors = [], []
    for clip in clips:
        try:
            vectors.append(encode(clip.path))
        except AudioError:
            continue  # unreadable files are counted by n, which the scorecard states
        kept.append(clip)
    if not kept:
        raise DataError(f"none of {len(clips)} clips could be read", remedy="check their paths")
    return kept, np.stack(vectors)


def scorecard(
    clips: Sequence[Clip],
    encode_audio: EncodeAudio,
    encode_text: EncodeText,
    *,
    trained_on: Iterable[str] = (),
) -> dict[str, Any]:
    """Every set's n and metrics with 95 % intervals, ready for JSON.

    Sets without clips are not there, and neither are those with a clip of `trained_on` (ids).
    """
    learnt = frozenset(trained_on)
    sets = {
        name: chosen
        for name, options in [*RETRIEVAL.items(), *ZERO_SHOT.items()]
        if (chosen := select(clips, **options)) and learnt.isdisjoint(c.id for c in chosen)
    }
    wanted = {clip.id: clip for chosen in sets.values() for clip in chosen}
    kept, vectors = embed_clips(list(wanted.values()), encode_audio)
    row = {clip.id: i for i, clip in enumerate(kept)}

    def of(name: str) -> tuple[list[Clip], _Floats]:
        chosen = [clip for clip in sets.get(name, ()) if clip.id in row]
        return chosen, vectors[[row[clip.id] for clip in chosen]]

    card: dict[str, Any] = {}
    for name in RETRIEVAL:
        chosen, audio = of(name)
        if not chosen:
            continue
        queries, metrics = retrieval_scores(chosen, audio, encode_text)
        card[name] = {"clips": len(chosen), "queries": queries, "metrics": plain(metrics)}
    for name in ZERO_SHOT:
        chosen, audio = of(name)
        if not chosen:
            continue
        same = SAME_CLASS.get(name, {})
        accuracy = zero_shot(chosen, audio, encode_text, same)
        names = {class_name(str(clip.label)) for clip in chosen}
        classes = len({same.get(label, label) for label in names})
        card[name] = {
            "clips": len(chosen),
            "classes": classes,
            "metrics": plain({"accuracy": accuracy}),
        }
    return card


def table(cards: dict[str, dict[str, Any]]) -> str:
    """Markdown: one row a figure, one column a system, value and interval.

    The rows are those of the first system; a cell is empty where another was not scored.
    """
    systems = list(cards)
    lines = ["| set | figure | " + " | ".join(systems) + " |", "| --- " * (2 + len(systems)) + "|"]
    for name, entry in cards[systems[0]].items():
        size = f"{entry['clips']} clips"
        size += f", {entry['queries']} queries" if "queries" in entry else ""
        size += f", {entry['classes']} classes" if "classes" in entry else ""
        for figure in entry["metrics"]:
            cells = [
                _cell(cards[system][name]["metrics"][figure]) if name in cards[system] else ""
                for system in systems
            ]
            lines.append(f"| {name} ({size}) | {figure} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(figure: dict[str, Any]) -> str:
    digits = 1 if figure["value"] > 1 else 3
    value = f"{figure['value']:.{digits}f}"
    if figure["ci95"] is None:
        return value
    low, high = figure["ci95"]
    return f"{value} [{low:.3f}, {high:.3f}]"
