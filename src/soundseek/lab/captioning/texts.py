"""Captions without sounds as items to learn from: the vectors of a bundle's text side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from soundseek.lab.audio_encoders.bundled import BundledModel
from soundseek.lab.captioning.heard import followed_by
from soundseek.lab.captioning.model import CaptioningModel
from soundseek.lab.captioning.prepare import Part
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.texts import joined, read_captions_csv, unique

_AT_ONCE = 256


def with_texts(
    part: Part, recipe: CaptioningRecipe, model: CaptioningModel, say: Callable[[str], None]
) -> Part:
    """The part and, behind its clips, the recipe's captions without sounds.

    A caption is an item of one step; a pair of captions joined in words, of two. Raises `DataError`
    for files that are not there, or without captions.
    """
    settings = recipe.texts
    if settings is None:
        return part
    encoder = model.audio.encoder
    assert isinstance(encoder, BundledModel)
    assert part.heard is not None
    folder = Path(recipe.data.folder)
    texts = unique(text for name in settings.files for text in read_captions_csv(folder / name))
    texts = [text for text in texts if any(character.isalnum() for character in text)]
    rng = np.random.default_rng((recipe.seed, len(texts)))
    if settings.most is not None and settings.most < len(texts):
        texts = [texts[i] for i in sorted(rng.choice(len(texts), settings.most, replace=False))]
    say(f"reading {len(texts)} captions without sounds (once)")
    vectors = torch.from_numpy(
        np.concatenate(
            [
                encoder.bundle.encode_text(texts[start : start + _AT_ONCE])
                for start in range(0, len(texts), _AT_ONCE)
            ]
        )
    )
    pairs = rng.integers(len(texts), size=(settings.joined, 2))
    items = [*texts, *(joined(texts[a], texts[b], rng) for a, b in pairs)]
    steps = torch.cat([vectors, vectors[torch.from_numpy(pairs).flatten()]])
    counts = [1] * len(texts) + [2] * len(pairs)
    spoken = [_clip(number, text) for number, text in enumerate(items)]
    return replace(
        part,
        clips=[*part.clips, *spoken],
        heard=followed_by(part.heard, steps, counts),
        texts=len(spoken),
    )


def _clip(number: int, text: str) -> Clip:
    return Clip(
        id=f"text/{number}",
        path="",
        captions=(text,),
        duration_s=0.0,
        tags=(),
        source="texts",
        split="train",
        licence="",
        group=f"text/{number}",
    )
