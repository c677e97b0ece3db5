"""Captions of a run to look at: the best, the worst, and some drawn by its seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from soundseek.errors import SoundseekError
from soundseek.lab.reporting.captioned import Captioned
from soundseek.lab.similarities import Sound
from soundseek.metrics.dcase.tables import name_key

LISTED: Final = 25


@dataclass(frozen=True)
class Example:
    """A clip's caption, its references, its CIDEr (None: not known), and where it can be heard
    (None: not known)."""

    clip: str
    caption: str
    references: Sequence[str]
    cider: float | None
    sound: Sound | None


@dataclass(frozen=True)
class Examples:
    """`best` (best first) and `worst` (worst first) by CIDEr share no clip; both are empty where
    it is not known, and `unsorted` says why. `drawn` may hold any of them, in the order drawn."""

    best: Sequence[Example]
    worst: Sequence[Example]
    drawn: Sequence[Example]
    unsorted: str = ""


def examples(
    found: Captioned, sounds: Mapping[str, Sound], *, seed: int, most: int = LISTED
) -> Examples:
    """At most `most` of each; equal ones keep the order of the file."""
    cider = found.cider

    def example(clip: str) -> Example:
        captions = found.captions
        score = None if cider is None else cider[clip]
        return Example(
            clip, captions.predictions[clip], captions.references[clip], score, sounds.get(clip)
        )

    clips = list(found.captions.predictions)
    order = np.random.default_rng(seed).permutation(len(clips))
    drawn = [example(clips[i]) for i in order[:most].tolist()]
    if cider is None:
        return Examples((), (), drawn, found.why_no_cider)
    ranked = sorted(clips, key=lambda clip: -cider[clip])
    size = min(most, len(ranked) // 2)
    best, rest = ranked[:size], ranked[size:]
    worst = sorted(rest, key=lambda clip: cider[clip])[:size]
    return Examples([*map(example, best)], [*map(example, worst)], drawn)


def sounds_of(recipe: Mapping[str, Any]) -> dict[str, Sound]:
    """Clip id, as `read_captions` has it → where its sound is, of the test set of a recipe; none
    where the data are not there any more, without which captions can still be read."""
    from soundseek.lab.recipe_files import validated
    from soundseek.lab.retrieval.clips import test_clips
    from soundseek.lab.retrieval.recipe import Data

    try:
        data = validated(Data, recipe.get("data") or {}, "the run's data")
        # One sound that is gone does not take the others with it.
        sources = [source.model_copy(update={"audio": "optional"}) for source in data.test]
        some = data.model_copy(update={"test": tuple(sources)})
        return {name_key(clip.id): clip for clip in test_clips(some, lambda _: None)}
    except (SoundseekError, OSError):
        return {}
