"""Captioning recipes made small, on synthetic sounds; and parts of clips in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.retrieval import noise


@pytest.fixture(autouse=True)
def _without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its programs take longer to start than a tiny captioner to train."""
    from soundseek.metrics.captions import evaluation

    monkeypatch.setattr(evaluation, "find_java", lambda: None)


@pytest.fixture(scope="session")
def small(synthetic: Path) -> Callable[..., Any]:
    """Return small(name, **differences) → a shipped recipe made tiny, with these merged over it:
    ten training clips of three captions, five of validation, five of test."""
    from soundseek.lab.captioning.recipe import CaptioningRecipe
    from soundseek.lab.captioning.tiny import tiny
    from soundseek.lab.recipe_files import merged, validated
    from soundseek.lab.systems import load_recipe

    def made(name: str, **differences: Any) -> Any:
        recipe: Any = load_recipe(name)
        document = tiny(recipe, synthetic).model_dump()
        document["run"] |= {"loggers": [], "checkpoint_steps": 2}
        return validated(CaptioningRecipe, merged(document, differences), "test")

    return made


@pytest.fixture(scope="session")
def heard_part(make_clip: Callable[..., Any], make_store: Callable[..., Any]) -> Callable[..., Any]:
    """Return heard_part(counts, captions, width=4, events=0, texts=0) → a part of clips of so many
    random steps, with captions of different lengths; the last `texts` of them are of texts."""
    from soundseek.lab.captioning.prepare import Part
    from soundseek.lab.retrieval.batches import Sounds
    from soundseek.lab.retrieval.sequences import SoundSequences

    def made(counts: Sequence[int], width: int = 4, events: int = 0, texts: int = 0) -> Any:
        words = ["a", "dog", "barks", "while", "rain", "falls", "on", "roofs"]
        clips = [
            make_clip(f"c{i}", [" ".join(words[: i % 8 + 1]), f"sound {i}"], duration_s=0.1 * count)
            for i, count in enumerate(counts)
        ]
        store = make_store([noise(0.1, 16000, i) for i in range(len(clips) - texts)])
        sounds = Sounds.of(clips, store, least=100, most=3000)
        rng = np.random.default_rng(1)
        lengths = np.array(counts)
        starts = np.cumsum(lengths) - lengths

        def sequences(size: int) -> Any:
            steps = rng.standard_normal((int(lengths.sum()), size)).astype(np.float16)
            return SoundSequences(steps, starts, lengths)

        of_events = sequences(events) if events else None
        return Part(clips, sounds, sequences(width), of_events, texts=texts)

    return made
