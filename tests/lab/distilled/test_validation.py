from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.audio.frontends import PRESETS, features, n_frames
from soundseek.audio.windows import iter_windows
from soundseek.lab.data.manifest import Clip
from soundseek.lab.distilled.build import build_tower
from soundseek.lab.distilled.lessons import Validation
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.distilled.tower import AudioTower
from soundseek.lab.distilled.validation import embed_store, validation_scores

pytestmark = pytest.mark.lab

SPEC = PRESETS["yamnet_16k"]
OVERLAP = SPEC.window_samples - SPEC.hop_samples
WINDOW = 2 * 96 * SPEC.hop_samples + OVERLAP


def clip(name: str, group: str, *captions: str, label: str | None = None) -> Clip:
    return Clip(
        id=name,
        path=name,
        duration_s=1.0,
        captions=captions,
        source="made",
        split="test",
        licence="CC0",
        group=group,
        label=label,
    )


@pytest.fixture
def tower(recipe_document: dict[str, Any]) -> AudioTower:
    recipe = Recipe.model_validate(recipe_document)
    generator = torch.Generator().manual_seed(1)
    anchors = torch.randn(7, 10, generator=generator)
    tower = build_tower(recipe, anchors)
    for module in tower.encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        log_mels = torch.randn(8, 192, 64, generator=generator) * 2 - 4
        tower.encoder(log_mels, torch.full((8,), 192))
        tower.head.residual[3].weight.normal_(0.0, 5.0, generator=generator)
    return tower.eval()


@torch.no_grad()
def test_embed_store_equals_one_clip_at_a_time(
    tower: AudioTower, make_store: Callable[..., Any]
) -> None:
    """More windows than go into one batch, of many lengths, each with a level of its own."""
    rng = np.random.default_rng(1)
    lengths = [*rng.integers(1000, 2 * WINDOW, size=60).tolist(), 10, WINDOW, 4 * WINDOW - 500]
    sounds = []
    for n in lengths:
        level = np.repeat(10 ** rng.uniform(-3, -0.7, 1 + n // 4000), 4000)[:n]
        sounds.append(np.clip(level * rng.standard_normal(n), -1, 1))
    store = make_store(sounds)
    expected = []
    for i in range(len(lengths)):
        total = np.zeros(10)
        for window in iter_windows([store.read(i)], 16_000, WINDOW, WINDOW - OVERLAP):
            log_mel = torch.from_numpy(features(window.samples, SPEC))[None]
            frames = torch.tensor([max(1, n_frames(window.valid_samples, SPEC))])
            vector = tower(log_mel, frames).embedding[0].numpy()
            total += window.valid_samples * vector
        expected.append(total / np.linalg.norm(total))
    got = embed_store(tower, store, WINDOW)
    np.testing.assert_allclose(got, np.array(expected), rtol=0, atol=2e-4)
    assert np.abs(got[:-1] - got[1:]).max(axis=1).min() > 1e-3


def test_figures_are_those_of_the_teachers_captions(
    tower: AudioTower, make_store: Callable[..., Any]
) -> None:
    """Captions whose vectors are those of their clips are all found first; of others, none."""
    rng = np.random.default_rng(2)
    store = make_store([0.1 * rng.standard_normal(WINDOW) for _ in range(3)])
    texts = ["rain", "wind", "rain wind"]
    clips = [clip(str(i), f"g{i}", text) for i, text in enumerate(texts)]
    vectors = embed_store(tower, store, WINDOW)
    right = Validation(clips, store, dict(zip(texts, vectors, strict=True)))
    scores = validation_scores(tower, right, window_samples=WINDOW)
    assert set(scores) == {"R@1", "R@5", "R@10", "mAP@10", "mAP@16", "medR"}
    assert scores["R@1"] == scores["mAP@10"] == 1.0
    assert scores == validation_scores(tower, right, window_samples=WINDOW)
    wrong = Validation(clips, store, dict(zip(texts, vectors[[1, 2, 0]], strict=True)))
    found = validation_scores(tower, wrong, window_samples=WINDOW)
    assert found["R@1"] == 0.0
    assert found["R@5"] == 1.0
