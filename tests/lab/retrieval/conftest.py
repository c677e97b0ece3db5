"""A corpus of synthetic sounds, recipes of tiny systems on it, and runs of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.retrieval import Document


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten training clips, five of validation and five of test, three captions each."""
    from soundseek.lab.retrieval.synthetic import write_synthetic_corpus

    return write_synthetic_corpus(tmp_path_factory.mktemp("synthetic"), kinds=5)


@pytest.fixture(scope="session")
def waveform_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all runs keep what they decoded."""
    return tmp_path_factory.mktemp("waveforms")


@pytest.fixture
def document(synthetic: Path, waveform_cache: Path) -> Document:
    """A recipe of five steps an epoch: networks as small as they can be."""

    def source(split: str) -> list[Document]:
        return [{"corpus": "clips", "root": str(synthetic), "split": split}]

    return {
        "system": "retrieval",
        "name": "test/tiny",
        "description": "for tests",
        "seed": 3,
        "data": {split: source(split) for split in ("train", "validation", "test")},
        "audio": {
            "encoder": "panns_cnn10",
            "weights": "random",
            "options": {"channels": (2, 4, 4, 8), "classes": None, "frontend": "panns_16k"},
            "max_s": 1.2,
        },
        "text": {
            "encoder": "small_transformer",
            "weights": "random",
            "options": {"width": 16, "layers": 1, "heads": 2, "vocabulary": 200},
            "max_tokens": 12,
        },
        "space": {"dimension": 8},
        "objective": [{"term": "nt_xent"}],
        "optimiser": {"kind": "adamw", "learning_rate": 0.003, "batch": 6, "epochs": 2},
        "run": {
            "cache": str(waveform_cache),
            "device": "cpu",
            "threads": 1,
            "log_steps": 1,
            "checkpoint_steps": 2,
        },
    }


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
