"""Phrases made of short texts: what people type who look for a sound, by patterns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

_FRAMES: Final = (
    "the sound of {}",
    "sound of {}",
    "sounds of {}",
    "a recording of {}",
    "recording of {}",
    "{} sound",
    "{} sound effect",
    "{} sounds",
    "{} noise",
    "{} in the background",
    "{} in the distance",
    "{} nearby",
    "{} outdoors",
    "{} indoors",
    "{} at night",
    "{} in a large room",
    "{} close up",
    "{} ambience",
    "{} loop",
    "loud {}",
    "quiet {}",
    "soft {}",
    "distant {}",
    "faint {}",
    "slow {}",
    "fast {}",
    "short {}",
    "several {}",
    "someone hears {}",
    "{} repeatedly",
    "{} that stops suddenly",
    "{} getting louder",
    "{} fading away",
    "this is {}",
    "can you find {}",
    "I am looking for {}",
)
_PAIRS: Final = (
    "{} then {}",
    "{} and then {}",
    "{} followed by {}",
    "{} before {}",
    "{} after {}",
    "first {}, then {}",
    "{} and {}",
    "{} with {}",
    "{} while {}",
    "{} over {}",
    "{} or {}",
    "{} without {}",
    "{} but no {}",
    "{} and no {}",
    "{}, not {}",
    "{} instead of {}",
)
_WITHOUT: Final = ("no {}", "without {}", "not {}", "no {} at all", "silence without {}")


def framed(texts: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    """`n` random texts, each in a random frame: "the sound of rain"."""
    chosen = rng.integers(len(texts), size=n)
    frames = rng.integers(len(_FRAMES), size=n)
    return [_FRAMES[frame].format(_bare(texts[i])) for i, frame in zip(chosen, frames, strict=True)]


def ordered_and_denied(texts: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    """`n` phrases about order, choice and absence: "rain then thunder", "rain but no thunder"."""
    made = []
    for first, second in rng.integers(len(texts), size=(n, 2)):
        which = int(rng.integers(len(_PAIRS) + len(_WITHOUT)))
        if which < len(_PAIRS):
            made.append(_PAIRS[which].format(_bare(texts[first]), _bare(texts[second])))
        else:
            made.append(_WITHOUT[which - len(_PAIRS)].format(_bare(texts[first])))
    return made


def _bare(text: str) -> str:
    return text.rstrip(" .").lower()
