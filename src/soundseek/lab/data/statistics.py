"""What is in a manifest: clips, hours, captions, words, by split, source and licence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from soundseek.lab.data.manifest import Clip
from soundseek.text import normalise_caption

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
GROUPINGS = ("split", "source", "licence")


@dataclass(frozen=True)
class Summary:
    """Figures of some clips.

    `duration_quantiles_s` are as `duration_quantiles` has them. Words are those of the normalised
    captions, repeated ones counted in `words` and once in `vocabulary`.
    """

    clips: int
    with_audio: int
    hours: float
    groups: int
    captions: int
    distinct_captions: int
    words: int
    vocabulary: int
    words_per_caption: float
    captions_per_clip: tuple[int, int]
    duration_quantiles_s: dict[str, float]


def summary(clips: Sequence[Clip]) -> Summary:
    """The figures of all the clips together."""
    captions = [normalise_caption(text) for clip in clips for text in clip.captions]
    words = [word for text in captions for word in text.split()]
    counts = [len(clip.captions) for clip in clips]
    return Summary(
        clips=len(clips),
        with_audio=sum(clip.has_audio for clip in clips),
        hours=sum(clip.duration_s for clip in clips) / 3600.0,
        groups=len({clip.group for clip in clips}),
        captions=len(captions),
        distinct_captions=len(set(captions)),
        words=len(words),
        vocabulary=len(set(words)),
        words_per_caption=len(words) / len(captions) if captions else 0.0,
        captions_per_clip=(min(counts, default=0), max(counts, default=0)),
        duration_quantiles_s=duration_quantiles(clips),
    )


def duration_quantiles(clips: Sequence[Clip]) -> dict[str, float]:
    """Quantile (of `QUANTILES`, as text) → seconds, over the clips whose duration is known; empty
    where none is."""
    durations = np.array([clip.duration_s for clip in clips if clip.duration_s > 0])
    if not durations.size:
        return {}
    pairs = zip(QUANTILES, np.quantile(durations, QUANTILES), strict=True)
    return {f"{quantile:g}": float(seconds) for quantile, seconds in pairs}


def statistics(clips: Sequence[Clip]) -> dict[str, Any]:
    """`{"all": …, "split": {name: …}, "source": …, "licence": …}`, each a `Summary` as a dict."""
    document: dict[str, Any] = {"all": asdict(summary(clips))}
    for field in GROUPINGS:
        parts: dict[str, list[Clip]] = {}
        for clip in clips:
            parts.setdefault(getattr(clip, field), []).append(clip)
        document[field] = {name: asdict(summary(parts[name])) for name in sorted(parts)}
    return document
