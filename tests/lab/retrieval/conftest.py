"""Recipes of tiny systems, and clips and sounds in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from support.retrieval import Document


@pytest.fixture(scope="session")
def recipe_of() -> Callable[..., Any]:
    """Return recipe_of(document, **differences) → the recipe with these merged over it."""
    from soundseek.lab.recipe_files import merged, validated
    from soundseek.lab.retrieval.recipe import RetrievalRecipe

    def made(document: Mapping[str, Any], **differences: Any) -> Any:
        return validated(RetrievalRecipe, merged(document, differences), "test")

    return made


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., Any]:
    """Return make_clip(id, captions, **fields) → a clip without a sound."""
    from soundseek.lab.data.manifest import Clip

    def made(name: str, captions: Sequence[str] = ("a sound",), **fields: Any) -> Any:
        plain: Document = {
            "path": f"/nowhere/{name}.wav",
            "duration_s": 1.0,
            "tags": (),
            "source": "test",
            "split": "train",
            "licence": "CC0",
            "group": name,
        }
        return Clip(id=name, captions=tuple(captions), **{**plain, **fields})

    return made


@pytest.fixture(scope="session")
def make_store() -> Callable[..., Any]:
    """Return make_store(waveforms, sample_rate=16000) → a `WaveformStore` in memory."""
    from soundseek.lab.data.waveforms import WaveformStore

    def made(waveforms: Sequence[np.ndarray], sample_rate: int = 16_000) -> Any:
        samples = np.concatenate([np.round(wave * 32767.0).astype(np.int16) for wave in waveforms])
        offsets = np.concatenate([[0], np.cumsum([len(wave) for wave in waveforms])])
        return WaveformStore(samples, offsets.astype(np.int64), sample_rate, {})

    return made
