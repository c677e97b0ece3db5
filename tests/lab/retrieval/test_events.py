from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import RecipeError
from soundseek.lab.retrieval import train
from soundseek.lab.retrieval.build import build_tagger
from soundseek.lab.retrieval.clips import clip_sets
from soundseek.lab.retrieval.events import event_vectors
from soundseek.lab.retrieval.recipe import Events
from soundseek.lab.retrieval.trained import load_trained
from support.retrieval import Document, rows, silent

pytestmark = pytest.mark.lab

OPTIONS = {"channels": (2, 4, 4, 8), "classes": 20, "frontend": "panns_16k"}


@pytest.fixture
def clips(document: Document, recipe_of: Callable[..., Any]) -> list[Any]:
    return clip_sets(recipe_of(document).data, 0, silent).train


def tagger(threshold: float = 0.5) -> Events:
    return Events(tagger="panns_cnn10", weights="random", options=OPTIONS, threshold=threshold)


def test_events_are_what_the_tagger_hears_above_the_threshold(
    clips: list[Any], waveform_cache: Path
) -> None:
    from soundseek.lab.data.waveforms import open_store

    events = event_vectors(clips, tagger(0.4999), waveform_cache, 1.0, seed=0)
    assert events.shape == (10, 20)
    assert events.dtype == np.float32
    assert set(np.unique(events)) <= {0.0, 1.0}
    network: Any = build_tagger(tagger(), 0)
    assert not network.training
    store = open_store(clips, 16000, waveform_cache)
    with torch.no_grad():
        for i in (0, 7):
            sound = np.zeros(16000, np.float32)
            heard = store.read(i, 0, 16000)
            sound[: len(heard)] = heard
            encoding = network(network.features(torch.from_numpy(sound)[None]))
            wanted = (encoding.probabilities[0] > 0.4999).float().numpy()
            assert np.array_equal(events[i], wanted)
    assert not event_vectors(clips, tagger(0.99), waveform_cache, 1.0, seed=0).any()


def test_a_random_tagger_is_the_same_for_every_part(clips: list[Any], waveform_cache: Path) -> None:
    """Whatever was drawn before: or training and test would be tagged by two networks."""
    found = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        found.append(event_vectors(clips, tagger(0.4999), waveform_cache, 1.0, seed=3))
    assert np.array_equal(*found)
    states = [build_tagger(tagger(), seed).state_dict() for seed in (3, 3, 4)]  # type: ignore[attr-defined]
    name = "conv_block1.conv1.weight"
    name = next(key for key in states[0] if key.endswith("conv1.weight"))
    assert states[0][name].equal(states[1][name])
    assert not states[0][name].equal(states[2][name])


def test_an_encoder_without_classes_is_no_tagger(clips: list[Any], waveform_cache: Path) -> None:
    events = Events(tagger="dcase2022_crnn", weights="random", options={"channels": (4, 8)})
    with pytest.raises(RecipeError, match=r"dcase2022_crnn has no classes\n.*panns_cnn14"):
        event_vectors(clips, events, waveform_cache, 1.0, seed=0)


def test_a_system_with_sound_events(
    document: Document, recipe_of: Callable[..., Any], tmp_path: Path
) -> None:
    audio = document["audio"] | {"events": tagger(0.4999).model_dump()}
    recipe = recipe_of(document, audio=audio, optimiser={"max_steps": 2})
    train.train(recipe, tmp_path, silent)
    trained = load_trained(tmp_path)
    assert trained.model.audio.projection[0].in_features == 8 + 20  # type: ignore[index]
    assert len(rows(tmp_path / "metrics.csv")) == 2


def test_an_event_that_any_step_has_is_in_the_vector(
    clips: list[Any], waveform_cache: Path
) -> None:
    """The tagger of steps, at a threshold that some steps pass and their mean does not."""
    from soundseek.lab.audio_encoders.events import step_probabilities
    from soundseek.lab.data.waveforms import open_store

    options = {"channels": (2, 2, 4, 4, 8, 8), "classes": 20, "frontend": "panns_16k"}
    name = "panns_cnn14_decision_level_max"
    chosen = Events(tagger=name, weights="random", options=options)
    network: Any = build_tagger(chosen, 0)
    store = open_store(clips, 16000, waveform_cache)
    sound = np.zeros(16000, np.float32)
    heard = store.read(0, 0, 16000)
    sound[: len(heard)] = heard
    steps, _ = step_probabilities(network, network.features(torch.from_numpy(sound)[None]))
    threshold = float(steps[0].amax(0).median())
    events = event_vectors(
        clips[:1], chosen.model_copy(update={"threshold": threshold}), waveform_cache, 1.0, seed=0
    )
    wanted = (steps[0] > threshold).any(0).float().numpy()
    assert np.array_equal(events[0], wanted)
    assert 0 < events.sum() < 20


def test_how_many_classes_a_tagger_has() -> None:
    from soundseek.lab.retrieval.build import tagger_classes

    assert tagger_classes(Events(tagger="panns_cnn14_decision_level_max")) == 527
    assert tagger_classes(Events(tagger="yamnet")) == 521
    assert tagger_classes(Events(tagger="yamnet", options={"classes": 7})) == 7
