from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.audio.frontends import PRESETS, features, n_frames
from soundseek.audio.windows import iter_windows
from soundseek.errors import DataError
from soundseek.lab.build import TextBatcher, build_biencoder
from soundseek.lab.data.manifest import Clip
from soundseek.lab.evaluate import (
    embed_store,
    queries_of,
    retrieval_scores,
    validation_scores,
    zero_shot,
)
from soundseek.lab.recipe import Recipe
from soundseek.lab.text_encoders.tokenizer import train_tokenizer

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


def encoder(table: dict[str, list[float]]) -> Callable[[list[str]], np.ndarray]:
    return lambda texts: np.array([table[text] for text in texts], np.float32)


def test_every_caption_asks_once_and_all_clips_of_its_group_answer() -> None:
    clips = [
        clip("a", "g1", "rain", "drops"),
        clip("b", "g2", "rain"),
        clip("c", "g1", "rain", "drops"),
        clip("d", "g3"),
    ]
    captions, relevant = queries_of(clips)
    assert list(zip(captions, relevant.tolist(), strict=True)) == [
        ("drops", [True, False, True, False]),
        ("rain", [True, False, True, False]),
        ("rain", [False, True, False, False]),
    ]


def test_retrieval_scores_by_hand() -> None:
    clips = [clip("a", "g1", "x"), clip("b", "g2", "y"), clip("c", "g3", "z")]
    audio = np.eye(3, dtype=np.float32)
    texts = encoder({"x": [3, 2, 1], "y": [3, 2, 1], "z": [3, 2, 1]})
    n, metrics = retrieval_scores(clips, audio, texts)
    assert n == 3
    assert metrics["R@1"].value == pytest.approx(1 / 3)
    assert metrics["R@5"].value == 1.0
    assert metrics["mAP@10"].value == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert metrics["medR"].value == 2.0


def test_a_clip_of_the_same_group_is_no_mistake() -> None:
    clips = [clip("a", "g", "x"), clip("b", "g", "x"), clip("c", "h", "y")]
    audio = np.array([[0, 1], [1, 0], [0.5, 0.5]], np.float32)
    _, metrics = retrieval_scores(clips, audio, encoder({"x": [1.0, 0.0], "y": [0.5, 0.5]}))
    assert metrics["R@1"].value == pytest.approx(0.5)


def test_clips_without_any_caption_cannot_be_scored() -> None:
    with pytest.raises(DataError, match="none of 2 clips has a caption"):
        retrieval_scores([clip("a", "g"), clip("b", "h")], np.eye(2), encoder({}))


def test_zero_shot_by_hand() -> None:
    labels = ["dog", "cat", "dog", "cat"]
    clips = [clip(str(i), "g", label=label) for i, label in enumerate(labels)]
    audio = np.array([[1, 0], [0, 1], [0.4, 0.6], [0.2, 0.8]], np.float32)
    metric = zero_shot(clips, audio, encoder({"dog": [1, 0], "cat": [0, 1]}))
    assert metric.value == 0.75
    assert metric.ci95 is not None
    assert metric.ci95[0] < 0.75 < metric.ci95[1]


def test_zero_shot_needs_a_label_of_every_clip() -> None:
    clips = [clip("a", "g", label="dog"), clip("b", "g")]
    with pytest.raises(DataError, match="1 of 2 clips have no class label"):
        zero_shot(clips, np.eye(2, dtype=np.float32), encoder({"dog": [1, 0]}))


@pytest.fixture
def model(recipe_document: dict[str, Any]) -> Any:
    recipe = Recipe.model_validate(recipe_document)
    generator = torch.Generator().manual_seed(1)
    anchors = torch.randn(7, 10, generator=generator)
    model = build_biencoder(recipe, anchors, train_tokenizer(["rain", "wind"] * 2, 64))
    for module in model.audio_encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        log_mels = torch.randn(8, 192, 64, generator=generator) * 2 - 4
        model.audio_encoder(log_mels, torch.full((8,), 192))
        model.audio_head.residual[3].weight.normal_(0.0, 5.0, generator=generator)
    return model.eval()


@torch.no_grad()
def test_embed_store_equals_one_clip_at_a_time(model: Any, make_store: Callable[..., Any]) -> None:
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
            vector = model.encode_audio(log_mel, frames).embedding[0].numpy()
            total += window.valid_samples * vector
        expected.append(total / np.linalg.norm(total))
    got = embed_store(model, store, WINDOW)
    np.testing.assert_allclose(got, np.array(expected), rtol=0, atol=2e-4)
    assert np.abs(got[:-1] - got[1:]).max(axis=1).min() > 1e-3


def test_validation_scores(model: Any, make_store: Callable[..., Any]) -> None:
    rng = np.random.default_rng(2)
    store = make_store([0.1 * rng.standard_normal(WINDOW) for _ in range(3)])
    clips = [clip(str(i), f"g{i}", text) for i, text in enumerate(["rain", "wind", "rain wind"])]
    batcher = TextBatcher(train_tokenizer(["rain", "wind"] * 2, 64), 16)
    scores = validation_scores(model, clips, store, batcher, window_samples=WINDOW)
    assert set(scores) == {"R@1", "R@5", "R@10", "mAP@10", "mAP@16", "medR"}
    assert scores["R@5"] == 1.0
    again = validation_scores(model, clips, store, batcher, window_samples=WINDOW)
    assert scores == again
