from __future__ import annotations

import copy
import json
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from soundseek.lab.audio_encoders import encoder_class
from soundseek.lab.captioning.build import (
    build_event_tagger,
    build_model,
    rebuild_model,
    resources_of,
    sound_width,
)
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.recipe_files import merged, validated
from support.captioners import CAPTIONS

pytestmark = pytest.mark.lab

TINY: dict[str, Any] = {
    "system": "captioning",
    "name": "test/tiny",
    "description": "for tests",
    "seed": 3,
    "data": {},
    "audio": {
        "encoder": "vggish",
        "weights": "random",
        "options": {**encoder_class("vggish").TINY, "last_relu": False, "short": "pad"},
    },
    "network": {
        "encoder_layers": 2,
        "decoder_layers": 1,
        "width": 16,
        "heads": 2,
        "ffn": 24,
        "positions": 110,
    },
    "text": {"tokenizer": None, "vocabulary": 330, "max_tokens": 24},
    "optimiser": {"learning_rate": 1e-3, "epochs": 1},
}
CRNN = {
    "audio": {
        "encoder": "vggish_crnn",
        "weights": "random",
        "options": encoder_class("vggish_crnn").TINY,
        "frozen": False,
    },
    "network": {"encoder": "none"},
}
EVENTS = {
    "audio": {
        "events": {
            "tagger": "panns_cnn14_decision_level_max",
            "weights": "random",
            "options": {
                **encoder_class("panns_cnn14_decision_level_max").TINY,
                "classes": 6,
            },
        }
    }
}


def recipe(**changes: Any) -> CaptioningRecipe:
    return validated(CaptioningRecipe, merged(copy.deepcopy(TINY), changes), "here")


def waveforms() -> tuple[torch.Tensor, torch.Tensor]:
    samples = torch.tensor([80_000, 64_000])
    sound = torch.randn(2, 80_000, generator=torch.Generator().manual_seed(0)) * 0.1
    sound[1, 64_000:] = 0.0
    return sound, samples


@pytest.mark.parametrize("changes", [{}, CRNN])
def test_a_model_hears_and_learns(changes: dict[str, Any]) -> None:
    model = build_model(recipe(**changes), CAPTIONS)
    sequence, mask = model.hear(*waveforms())
    assert mask.tolist() == [[True] * 5, [True] * 4 + [False]]
    assert sequence.shape == (2, 5, model.captioner.width)
    ids, _ = model.captioner.tokens.encode(CAPTIONS[:2])
    model.captioner.loss(sequence, mask, ids).backward()
    learnt = {name for name, one in model.named_parameters() if one.grad is not None}
    assert any(name.startswith("audio.") for name in learnt) == (changes is CRNN)


@pytest.mark.parametrize("changes", [{}, CRNN, EVENTS, {"audio": {"window_s": 2.0}}])
def test_a_model_is_rebuilt_without_its_captions(changes: dict[str, Any]) -> None:
    made = recipe(**changes)
    model = build_model(made, CAPTIONS).eval()
    again = rebuild_model(made, json.loads(json.dumps(resources_of(model))))
    again.load_state_dict(model.state_dict())
    again.eval()
    for ours, theirs in zip(model.hear(*waveforms()), again.hear(*waveforms()), strict=True):
        assert torch.equal(ours, theirs)
    assert again.captioner.resources() == model.captioner.resources()


def test_weights_hang_on_the_seed_alone() -> None:
    first = build_model(recipe(), CAPTIONS).state_dict()
    torch.rand(3)
    second = build_model(recipe(), CAPTIONS).state_dict()
    other = build_model(recipe(seed=4), CAPTIONS).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["captioner.adapter.0.weight"], other["captioner.adapter.0.weight"])


def test_windows_leave_no_gaps() -> None:
    model = build_model(recipe(audio={"window_s": 2.0}), CAPTIONS)
    sequence, mask = model.hear(*waveforms())
    # Two steps of each full window; the last second of the longer sound is one step.
    assert mask.sum(1).tolist() == [5, 4]
    assert (mask.int().diff(dim=1) <= 0).all()
    assert torch.equal(sequence[1, 4], torch.zeros_like(sequence[1, 4]))


def test_events_widen_the_sound() -> None:
    made = recipe(**EVENTS)
    assert sound_width(made, 16) == 16 + 6
    assert build_model(made, CAPTIONS).captioner.width == 16 + 6
    tagger: Any = build_event_tagger(made)
    assert not tagger.training
    assert build_event_tagger(recipe()) is None
