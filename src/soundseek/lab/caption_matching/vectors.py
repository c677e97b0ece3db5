"""Texts compared by the cosine of their vectors: a text encoder of the lab, or a bundle's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from soundseek.lab.retrieval.build import build_text_encoder, written_as
from soundseek.lab.retrieval.recipe import Text
from soundseek.lab.retrieval.towers import TextTower
from soundseek.text.normalise import normalise_caption

_Floats = NDArray[np.float32]
_BATCH = 64


class Cosine:
    """Scores queries against `captions` by the cosine of what `encode` makes of them: texts →
    float32 `[texts, dimension]` of length 1.

    Each different text is encoded once, so that two clips with one caption have one score; the
    vectors of queries are remembered.
    """

    least = -1.0

    def __init__(self, captions: Sequence[str], encode: Callable[[list[str]], _Floats]) -> None:
        self._captions = list(captions)
        self._encode = encode
        self._known: dict[str, _Floats] = {}

    @cached_property
    def vectors(self) -> _Floats:
        """Of the captions, float32 `[captions, dimension]`."""
        return self._encode(self._captions)

    def encode(self, queries: Sequence[str]) -> _Floats:
        """Of queries, float32 `[queries, dimension]`."""
        if new := [query for query in dict.fromkeys(queries) if query not in self._known]:
            self._known.update(zip(new, self._encode(new), strict=True))
        return np.stack([self._known[query] for query in queries])

    def scores(self, queries: Sequence[str]) -> _Floats:
        """Float32 `[queries, captions]`."""
        found: _Floats = self.encode(queries) @ self.vectors.T
        return found


def by_encoder(text: Text, captions: Sequence[str], queries: Sequence[str], seed: int) -> Cosine:
    """By a text encoder as recipes name it; random weights depend on `seed` alone.

    Raises `RecipeError` and `DataError` for an encoder that cannot be built.
    """
    torch.manual_seed(seed)
    encoder = build_text_encoder(text, sorted({*queries, *captions}) or ["a dog barks"])
    tower = TextTower(encoder, projected=torch.nn.Identity(), frozen=True, written=written_as(text))

    @torch.no_grad()
    def encode(texts: list[str]) -> _Floats:
        vectors = torch.cat(
            [tower.pooled(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)]
        )
        unit: _Floats = torch.nn.functional.normalize(vectors, dim=-1).numpy()
        return unit

    return Cosine(captions, encode)


def by_bundle(name_or_path: str | None, captions: Sequence[str]) -> Cosine:
    """By the text side of a bundle, of the embedded model for None. Nothing is downloaded, and its
    networks need no torch. A text without words has a vector of zeros.

    Raises `BundleError` where there is no such bundle.
    """
    from soundseek import load_bundle

    bundle = load_bundle(name_or_path)

    def encode(texts: list[str]) -> _Floats:
        readable = [place for place, text in enumerate(texts) if normalise_caption(text)]
        vectors = np.zeros((len(texts), bundle.dimension), np.float32)
        if readable:
            vectors[readable] = bundle.encode_text([texts[place] for place in readable])
        return vectors

    return Cosine(captions, encode)
