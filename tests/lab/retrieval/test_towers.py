from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from soundseek.errors import RecipeError
from soundseek.lab.audio_encoders import build_audio_encoder
from soundseek.lab.encodings import TextEncoding, Tokens
from soundseek.lab.retrieval.towers import AudioTower, TextTower, projection
from soundseek.lab.retrieval.waveforms import padded
from support.retrieval import noise

pytestmark = pytest.mark.lab

TINY_CNN = {"channels": (2, 4, 4, 8), "classes": 6, "frontend": "panns_16k"}


def audio_tower(window: int | None = None, **settings: Any) -> AudioTower:
    torch.manual_seed(0)
    encoder = build_audio_encoder("panns_cnn10", TINY_CNN)
    return AudioTower(encoder, projected=nn.Linear(8, 4), window_samples=window, **settings)


class Letters(nn.Module):
    """A text is its letters; counts what it reads."""

    width = 3

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(128, 3)
        self.read: list[str] = []

    def tokenise(self, texts: Sequence[str]) -> Tokens:
        self.read += texts
        longest = max(map(len, texts))
        ids = torch.tensor([[*map(ord, text), *[0] * (longest - len(text))] for text in texts])
        return Tokens(ids, ids > 0)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> TextEncoding:
        sequence = self.table(ids)
        return TextEncoding(sequence, mask, (sequence * mask[..., None]).sum(1))


def text_tower(**settings: Any) -> TextTower:
    torch.manual_seed(0)
    letters: Any = Letters()
    return TextTower(letters, projected=nn.Linear(3, 4), **settings)


def widths(module: nn.Module) -> list[tuple[int, int]]:
    return [(m.in_features, m.out_features) for m in module.modules() if isinstance(m, nn.Linear)]


def test_projections() -> None:
    assert widths(projection(6, (), 4, 0.0)) == [(6, 4)]
    deep = projection(6, (8, 5), 4, 0.1)
    assert widths(deep) == [(6, 8), (8, 5), (5, 4)]
    assert [type(m).__name__ for m in deep.children()].count("Dropout") == 2
    assert isinstance(projection(6, None, None, 0.0), nn.Identity)
    assert isinstance(projection(6, None, 6, 0.0), nn.Identity)


def test_projections_that_cannot_be() -> None:
    with pytest.raises(RecipeError, match=r"width 6 .* 4 dimensions\n.*space.dimension=6"):
        projection(6, None, 4, 0.0)
    with pytest.raises(RecipeError, match=r"\n.*space.dimension"):
        projection(6, (), None, 0.0)


@pytest.mark.parametrize(
    ("seconds", "windows"),
    [
        ([1.0], [16000]),
        ([1.2], [16000]),  # less than a quarter is left: not heard
        ([1.25], [16000, 4000]),
        ([2.9], [16000, 16000, 14400]),
        ([0.2], [3200]),
        ([0.2, 2.5], [3200, 0, 0, 16000, 16000, 8000]),
        ([2.1, 1.9], [16000, 16000, 16000, 14400]),
    ],
)
def test_windows(seconds: list[float], windows: list[int]) -> None:
    tower = audio_tower(16000)
    waveforms, samples = padded([noise(s, 16000) for s in seconds])
    features, frames, count = tower.features(waveforms, samples)
    encoder = tower.audio_encoder
    assert frames.tolist() == [encoder.frames(n) if n else 0 for n in windows]
    assert count * len(seconds) == len(windows) == len(features)
    assert features.shape[1] == encoder.frames(min(16000, waveforms.shape[1]))


def test_a_rest_too_short_for_the_encoder_is_not_heard() -> None:
    """A quarter of a window may be less than the encoder's pooling takes."""
    encoder = build_audio_encoder("panns_cnn14", {"channels": (2, 2, 4, 4, 8, 8), "classes": None})
    tower = AudioTower(encoder, projected=nn.Identity(), window_samples=20000)
    assert tower.least_samples == 31 * 320
    waveforms, samples = padded([noise(1.0, 20000 + 6000)])
    _, frames, count = tower.features(waveforms, samples)
    assert (count, frames.tolist()) == (1, [encoder.frames(20000)])
    with pytest.raises(RecipeError, match=r"windows of 9919 samples .* 9920 or more"):
        tower.hear_windows(9919)


def test_a_windowed_clip_is_the_mean_of_its_windows_by_their_length() -> None:
    tower = audio_tower(8000).eval()
    sound = noise(1.3, 16000)
    with torch.no_grad():
        whole = tower.encode(*tower.features(*padded([sound])))
        parts = [sound[:8000], sound[8000:16000], sound[16000:]]
        alone = [tower.encode(*tower.features(*padded([part]))) for part in parts]
    weights = np.array([tower.audio_encoder.frames(len(part)) for part in parts], np.float64)
    wanted = sum(w * one.pooled for w, one in zip(weights / weights.sum(), alone, strict=True))
    torch.testing.assert_close(whole.pooled, wanted.float(), rtol=1e-4, atol=1e-5)
    steps = [one.sequence.shape[1] for one in alone]
    assert whole.sequence.shape[1] == 3 * steps[0]
    assert whole.mask.sum().item() == sum(int(one.mask.sum()) for one in alone)
    for name in ("embedding", "logits"):
        wanted = sum(
            w * getattr(one, name) for w, one in zip(weights / weights.sum(), alone, strict=True)
        )
        torch.testing.assert_close(getattr(whole, name), wanted.float(), rtol=1e-4, atol=1e-5)


def trainable(parameters: Iterable[nn.Parameter]) -> list[bool]:
    return [parameter.requires_grad for parameter in parameters]


def test_a_frozen_encoder_stays_in_eval_mode_until_it_is_freed() -> None:
    tower = audio_tower(frozen=True).train()
    assert tower.training
    assert not any(module.training for module in tower.encoder.modules())
    assert not any(trainable(tower.encoder.parameters()))
    assert all(trainable(tower.projection.parameters()))
    tower.freeze(False)
    tower.train()
    assert all(module.training for module in tower.encoder.modules())
    assert all(trainable(tower.encoder.parameters()))


def test_what_an_encoder_freezes_itself_is_never_freed() -> None:
    options = {"channels": (2, 4, 4, 8), "hidden": 3, "frozen_cnn": True}
    encoder: Any = build_audio_encoder("cau_cnn10_gru", options)
    tower = AudioTower(encoder, projected=nn.Identity(), window_samples=None)
    for frozen in (False, True, False):
        tower.freeze(frozen)
    tower.train()
    assert not any(trainable(encoder.cnn.parameters()))
    assert not encoder.cnn.training
    assert all(trainable(encoder.gru.parameters()))


def test_sound_events_are_joined_to_the_vector() -> None:
    torch.manual_seed(0)
    encoder = build_audio_encoder("panns_cnn10", TINY_CNN)
    tower = AudioTower(encoder, projected=nn.Linear(10, 4), window_samples=None).eval()
    encoding = tower.encode(*tower.features(*padded([noise(1.0, 16000)])))
    events = torch.tensor([[1.0, 0.0]])
    wanted = tower.projection(torch.cat([encoding.pooled, events], 1))
    assert tower.embed(encoding, events).equal(wanted)


def test_an_encoder_without_the_vector_that_is_asked_for_says_so() -> None:
    encoder = build_audio_encoder("panns_cnn10", TINY_CNN | {"classes": None})
    tower = AudioTower(
        encoder, projected=nn.Identity(), window_samples=None, pooled="embedding"
    ).eval()
    encoding = tower.encode(*tower.features(*padded([noise(1.0, 16000)])))
    with pytest.raises(RecipeError, match="gives no embedding"):
        tower.embed(encoding)


def test_a_frozen_text_encoder_reads_what_it_remembers_once() -> None:
    tower = text_tower(frozen=True)
    letters: Any = tower.encoder
    tower.remember(["rain", "wind", "rain"])
    assert sorted(letters.read) == ["rain", "wind"]
    vectors = tower.pooled(["wind", "fog", "wind", "rain"])
    assert letters.read[2:] == ["fog"]
    assert vectors[0].equal(vectors[2])
    assert not vectors.requires_grad
    tower.pooled(["fog"])
    assert letters.read[3:] == ["fog"]  # and not what training makes of captions


def test_what_was_remembered_ends_with_the_freezing() -> None:
    """A stage that trains the encoder comes between two that do not."""
    tower = text_tower(frozen=True)
    tower.remember(["rain"])
    before = tower.pooled(["rain"])
    tower.freeze(False)
    with torch.no_grad():
        for parameter in tower.encoder.parameters():
            parameter += 1.0
    tower.freeze(True)
    assert not tower.pooled(["rain"]).equal(before)


def test_a_free_text_encoder_remembers_nothing() -> None:
    tower = text_tower()
    letters: Any = tower.encoder
    tower.remember(["rain"])
    assert letters.read == []
    assert tower.pooled(["rain"]).requires_grad


def test_texts_are_written_before_they_are_read() -> None:
    tower = text_tower(written=str.lower)
    tower.pooled(["Rain"])
    letters: Any = tower.encoder
    assert letters.read == ["rain"]


def test_a_front_end_computes_in_single_precision_whatever_the_networks_do() -> None:
    """In bf16 a log-mel spectrum is off by tenths."""
    tower = audio_tower()
    waveforms = torch.from_numpy(noise(1.0, 16_000))[None]
    samples = torch.tensor([16_000])
    plain, _, _ = tower.features(waveforms, samples)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed, _, _ = tower.features(waveforms, samples)
    assert mixed.dtype == torch.float32
    assert torch.equal(plain, mixed)
