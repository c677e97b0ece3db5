from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from soundseek.errors import AudioError
from soundseek.lab.audio_encoders.passt import Passt
from soundseek.lab.audio_encoders.passt_scene import scene_embedding

pytestmark = pytest.mark.lab

RATE = 32_000


@pytest.fixture(scope="module")
def encoder() -> Passt:
    torch.manual_seed(3)
    return Passt(**Passt.TINY | {"classes": 5}).eval()


def noise(seconds: float) -> Tensor:
    samples = int(seconds * RATE)
    wave = torch.randn(1, samples, generator=torch.Generator().manual_seed(1)) * 0.1
    return wave * torch.linspace(0.1, 1, samples)  # so that every window differs


@torch.no_grad()
@pytest.mark.parametrize("seconds", [1.0, 10.0])
def test_a_short_clip_is_one_window(encoder: Passt, seconds: float) -> None:
    encoding = encoder(encoder.features(noise(seconds)))
    scene = scene_embedding(encoder, noise(seconds))
    assert torch.equal(scene.embedding, encoding.pooled)
    assert torch.equal(scene.logits, encoding.logits)


@torch.no_grad()
@pytest.mark.parametrize(("seconds", "windows"), [(12.0, 5), (12.5, 6)])
def test_a_long_clip_is_the_mean_of_windows(encoder: Passt, seconds: float, windows: int) -> None:
    wave = noise(seconds)
    padded = np.pad(wave.numpy()[0], 5 * RATE, mode="reflect")
    starts = range(0, len(padded) - 10 * RATE + 1, 5 * RATE // 2)
    assert len(starts) == windows
    parts = [torch.from_numpy(padded[start : start + 10 * RATE])[None] for start in starts]
    encodings = [encoder(encoder.features(part)) for part in parts]
    scene = scene_embedding(encoder, wave)
    expected = torch.stack([e.pooled for e in encodings]).mean(0)
    torch.testing.assert_close(scene.embedding, expected, rtol=0, atol=1e-6)
    expected = torch.stack([e.logits for e in encodings]).mean(0)
    torch.testing.assert_close(scene.logits, expected, rtol=0, atol=1e-6)


@torch.no_grad()
def test_no_classifier_no_logits() -> None:
    assert scene_embedding(Passt(**Passt.TINY).eval(), noise(1.0)).logits is None


def test_another_shape_is_refused(encoder: Passt) -> None:
    with pytest.raises(AudioError, match=r"not \[batch, samples\]"):
        scene_embedding(encoder, noise(12.0)[0])
