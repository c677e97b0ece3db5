from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import RecipeError
from soundseek.lab.audio_encoders import encoder_class
from soundseek.lab.audio_encoders.events import at_steps
from soundseek.lab.captioning import events as listening
from soundseek.lab.captioning.build import build_event_tagger
from soundseek.lab.captioning.clips import captioned_sets
from soundseek.lab.captioning.events import event_steps
from soundseek.lab.data.waveforms import open_store
from soundseek.lab.retrieval.sequences import SoundSequences
from support.retrieval import silent

pytestmark = pytest.mark.lab

Small = Callable[..., Any]
NAME = "cmu2022/captioning_events"
STEP_S = 0.96


def heard(*counts: int) -> SoundSequences:
    """Steps of which the tagger asks nothing but how many there are."""
    lengths = np.array(counts)
    steps = np.zeros((int(lengths.sum()), 2), np.float16)
    return SoundSequences(steps, np.cumsum(lengths) - lengths, lengths)


def found(recipe: Any, cache: Path, *counts: int) -> SoundSequences:
    clips = captioned_sets(recipe, silent).train[: len(counts)]
    return event_steps(clips, heard(*counts), recipe, STEP_S, cache, torch.device("cpu"))


@pytest.fixture
def taggings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry a sound that was given to the tagger."""
    real, calls = listening.step_probabilities, list[int]()

    def watched(tagger: Any, features: Any) -> Any:
        calls.append(len(features))
        return real(tagger, features)

    monkeypatch.setattr(listening, "step_probabilities", watched)
    return calls


def test_a_step_has_the_classes_of_its_time(small: Small, tmp_path: Path) -> None:
    recipe = small(NAME)
    events = found(recipe, tmp_path, 1, 3)
    clips = captioned_sets(recipe, silent).train[:2]
    tagger: Any = build_event_tagger(recipe)
    store = open_store(clips, tagger.sample_rate, tmp_path)
    for clip, count in enumerate((1, 3)):
        sound = torch.zeros(max(store.length(clip), tagger.sample_rate))
        sound[: store.length(clip)] = torch.from_numpy(store.read(clip))
        with torch.no_grad():
            logits = tagger(tagger.features(sound[None])).step_logits
        wanted = at_steps(logits.sigmoid(), tagger.seconds_per_step, count, STEP_S)
        steps, mask = events.batch([clip])
        assert mask.shape == (1, count)
        torch.testing.assert_close(steps, wanted, atol=1e-3, rtol=1e-3)


def test_a_tagger_listens_once(small: Small, tmp_path: Path, taggings: list[int]) -> None:
    first = found(small(NAME), tmp_path, 1, 3)
    again = found(small(NAME, audio={"events": {"form": "probabilities"}}), tmp_path, 1, 3)
    assert taggings == [1, 1]
    assert np.array_equal(first.steps, again.steps)


@pytest.mark.parametrize("other", [{"seed": 9}, {"audio": {"max_s": 1.0}}])
def test_another_tagger_listens_for_itself(
    small: Small, tmp_path: Path, taggings: list[int], other: dict[str, Any]
) -> None:
    found(small(NAME), tmp_path, 1, 3)
    found(small(NAME, **other), tmp_path, 1, 3)
    assert len(taggings) == 4


def test_other_steps_are_asked_for_anew(small: Small, tmp_path: Path, taggings: list[int]) -> None:
    found(small(NAME), tmp_path, 1, 3)
    assert found(small(NAME), tmp_path, 2, 2).counts.tolist() == [2, 2]
    assert len(taggings) == 4


def test_sounds_may_be_decoded_when_they_are_needed(small: Small, tmp_path: Path) -> None:
    ahead = found(small(NAME), tmp_path / "ahead", 1, 3)
    needed = found(small(NAME, run={"decode": "when_needed"}), tmp_path / "needed", 1, 3)
    assert not list((tmp_path / "needed").glob("waveforms-*"))
    np.testing.assert_allclose(needed.steps, ahead.steps, atol=2e-3)


def test_a_tagger_of_whole_clips_is_refused(small: Small, tmp_path: Path) -> None:
    options = {**encoder_class("panns_cnn10").TINY, "classes": 6}
    recipe = small(NAME, audio={"events": {"tagger": "panns_cnn10", "options": options}})
    with pytest.raises(RecipeError, match="does not classify its steps"):
        found(recipe, tmp_path, 1, 3)
