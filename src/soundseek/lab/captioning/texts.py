"""Captions without sounds as items to learn from: the vectors of a bundle's text side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from soundseek.errors import DataError
from soundseek.lab.audio_encoders.bundled import BundledModel
from soundseek.lab.captioning.clips import has_words
from soundseek.lab.captioning.heard import followed_by
from soundseek.lab.captioning.model import CaptioningModel
from soundseek.lab.captioning.prepare import Part
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.texts import joined, read_captions_csv, unique

_AT_ONCE = 256


@dataclass(frozen=True)
class TextItems:
    """`texts`, and `pairs` `[n, 2]` of their places that are joined; `clips` stand for all of them,
    first the texts, and `counts` are their steps."""

    texts: list[str]
    pairs: NDArray[np.int64]
    clips: list[Clip]

    @property
    def counts(self) -> list[int]:
        """Steps of each item: a text has one, a pair two."""
        return [1] * len(self.texts) + [2] * len(self.pairs)


def captions_without_sounds(recipe: CaptioningRecipe) -> list[str]:
    """The captions of the recipe's files that hold words, each once, sorted.

    Raises `DataError` for files that are not there, or have no caption column.
    """
    if recipe.texts is None:
        return []
    folder = Path(recipe.data.folder)
    texts = unique(text for name in recipe.texts.files for text in read_captions_csv(folder / name))
    return [text for text in texts if has_words(text, recipe)]


def text_items(recipe: CaptioningRecipe) -> TextItems:
    """The recipe's captions without sounds as items; they depend on the files and the seed alone.

    Raises `DataError` as `captions_without_sounds` does, and where there is no caption.
    """
    settings = recipe.texts
    if settings is None:
        return TextItems([], np.zeros((0, 2), np.int64), [])
    texts = captions_without_sounds(recipe)
    if not texts:
        raise DataError(
            f"no caption with a word in {', '.join(settings.files)}", remedy="set texts: null"
        )
    rng = np.random.default_rng((recipe.seed, len(texts)))
    if settings.most is not None and settings.most < len(texts):
        texts = [texts[i] for i in sorted(rng.choice(len(texts), settings.most, replace=False))]
    pairs = rng.integers(len(texts), size=(settings.joined, 2))
    items = [*texts, *(joined(texts[a], texts[b], rng) for a, b in pairs)]
    return TextItems(texts, pairs, [_clip(number, text) for number, text in enumerate(items)])


def with_texts(
    part: Part, recipe: CaptioningRecipe, model: CaptioningModel, say: Callable[[str], None]
) -> Part:
    """The part and, behind its clips, the recipe's captions without sounds.

    A caption is an item of one step; a pair of captions joined in words, of two. Raises `DataError`
    as `text_items` does.
    """
    if recipe.texts is None:
        return part
    encoder = model.audio.encoder
    assert isinstance(encoder, BundledModel)
    assert part.heard is not None
    items = text_items(recipe)
    texts = items.texts
    say(f"reading {len(texts)} captions without sounds (once)")
    vectors = torch.from_numpy(
        np.concatenate(
            [
                encoder.bundle.encode_text(texts[start : start + _AT_ONCE])
                for start in range(0, len(texts), _AT_ONCE)
            ]
        )
    )
    steps = torch.cat([vectors, vectors[torch.from_numpy(items.pairs).flatten()]])
    return replace(
        part,
        clips=[*part.clips, *items.clips],
        heard=followed_by(part.heard, steps, items.counts),
        texts=len(items.clips),
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
