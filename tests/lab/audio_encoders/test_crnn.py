from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.errors import AudioError, DataError, RecipeError
from soundseek.lab.audio_encoders import build_audio_encoder, load
from soundseek.lab.audio_encoders.crnn import Crnn, CrnnNetwork, _FourNormPool

pytestmark = pytest.mark.lab

BANDS = 64


def network(recurrent: Any = "gru", bands: int = BANDS, **options: Any) -> CrnnNetwork:
    """In eval mode, with batch statistics of what it hears: a fresh network's outputs hardly
    depend on its input, and would hide every mistake."""
    torch.manual_seed(1)
    settings_ = {"hidden": 6, "channels": (4, 8), "seconds_per_step": 0.02, **options}
    made = CrnnNetwork(bands=bands, recurrent=recurrent, **settings_)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # a plain average
    with torch.no_grad():
        made(features(8, 60, bands=bands))
    return made.eval()


def features(n: int, frames: int, seed: int = 0, bands: int = BANDS) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, frames, bands, generator=generator) * 3 - 8


NETWORKS = {kind: network(kind) for kind in ("gru", "lstm")}


@torch.no_grad()
@settings(deadline=None, max_examples=25)
@given(
    lengths=st.lists(st.integers(4, 41), min_size=1, max_size=4),
    padding=st.integers(0, 9),
    kind=st.sampled_from(["gru", "lstm"]),
    seed=st.integers(0, 99),
)
def test_an_item_gives_what_it_gives_alone(
    lengths: list[int], padding: int, kind: str, seed: int
) -> None:
    encoder = NETWORKS[kind]
    batch = features(len(lengths), max(lengths) + padding, seed)
    together = encoder(batch, torch.tensor(lengths))
    assert together.mask.sum(1).tolist() == lengths
    for i, length in enumerate(lengths):
        alone = encoder(batch[i : i + 1, :length])
        for ours, single in (
            (together.sequence[i, :length], alone.sequence[0]),
            (together.pooled[i], alone.pooled[0]),
            (together.embedding[i], alone.embedding[0]),
            (together.feature_map[i, : length // 4], alone.feature_map[0]),
        ):
            torch.testing.assert_close(ours, single, rtol=0, atol=2e-5)


@torch.no_grad()
def test_without_lengths_padding_counts() -> None:
    encoder, batch = NETWORKS["gru"], features(1, 40)
    padded = F.pad(batch, (0, 0, 0, 20))
    assert (encoder(padded).pooled - encoder(batch).pooled).abs().max() > 1e-3


@torch.no_grad()
def test_what_stands_in_the_padding_never_matters() -> None:
    encoder, batch, lengths = NETWORKS["gru"], features(2, 40), torch.tensor([21, 40])
    spoilt = batch.clone()
    spoilt[0, 21:] = torch.nan
    torch.testing.assert_close(
        encoder(spoilt, lengths).embedding, encoder(batch, lengths).embedding, rtol=0, atol=0
    )


@torch.no_grad()
def test_vectors_depend_on_the_sound_and_on_its_order() -> None:
    """Without this, a constant network would pass the tests above."""
    batch = torch.cat([features(3, 40), features(3, 40).flip(1)])
    assert torch.pdist(NETWORKS["gru"](batch).embedding).min() > 1e-3


@torch.no_grad()
def test_the_steps_are_those_of_linear_interpolation() -> None:
    encoder, batch = NETWORKS["gru"], features(1, 42)
    coarse = encoder.get_submodule("gru")(encoder(batch).feature_map)[0]
    expected = F.interpolate(coarse.mT, 42, mode="linear").mT
    for encoding in (encoder(batch), encoder(batch, torch.tensor([42]))):
        torch.testing.assert_close(encoding.sequence, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        encoder(batch).embedding.norm(dim=-1), torch.ones(1), rtol=0, atol=1e-6
    )


@settings(deadline=None, max_examples=20)
@given(kernel=st.sampled_from([(2, 4), (1, 4)]), seed=st.integers(0, 99))
def test_pooling_is_the_4_norm(kernel: tuple[int, int], seed: int) -> None:
    x = torch.randn(2, 3, 7, 9, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    ours, theirs = _FourNormPool(*kernel)(x), nn.LPPool2d(4, kernel)(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    for mine, reference in zip(
        torch.autograd.grad(ours.sum(), x), torch.autograd.grad(theirs.sum(), x), strict=True
    ):
        torch.testing.assert_close(mine, reference, rtol=1e-4, atol=1e-5)


def test_a_window_of_zeros_has_a_gradient_of_zero() -> None:
    x = torch.zeros(1, 1, 4, 8, requires_grad=True)
    _FourNormPool(2, 4)(x).sum().backward()
    assert x.grad is not None
    assert not x.grad.any()


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_a_tiny_one_learns(kind: str) -> None:
    torch.manual_seed(0)
    encoder = build_audio_encoder("dcase2022_crnn", {**Crnn.TINY, "recurrent": kind})
    assert isinstance(encoder, Crnn)
    waves = torch.randn(3, 6000, generator=torch.Generator().manual_seed(0)) * 0.1
    heard = encoder.features(waves)
    assert heard.shape == (3, encoder.frames(6000), BANDS)
    lengths = torch.tensor([heard.shape[1], 4, 5])
    optimiser = torch.optim.Adam(encoder.parameters(), 1e-2)
    losses = []
    for _ in range(6):
        loss = (encoder(heard, lengths).pooled - 0.3).square().mean()
        optimiser.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_the_defaults_are_the_baseline_s() -> None:
    encoder = Crnn()
    assert encoder.width == 300
    assert encoder.sample_rate == 44_100
    assert encoder.seconds_per_step == pytest.approx(0.02)
    assert encoder.least_frames == 4
    assert Crnn(frontend="dcase2022_16k", **Crnn.TINY).frames(16_000) == 51


def test_bands_that_pool_to_two_feed_both_to_the_recurrent_layer() -> None:
    encoder = network(bands=128)
    assert encoder(features(1, 8, bands=128)).feature_map.shape == (1, 2, 16)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_sizes_come_from_the_file(tmp_path: Path, kind: Any) -> None:
    torch.manual_seed(2)
    saved = Crnn(recurrent=kind, hidden=5, channels=(3, 7)).eval()
    path = tmp_path / "crnn.pt"
    torch.save(saved.state_dict(), path)
    loaded = load("dcase2022_crnn", checkpoint=path)
    heard = features(1, 20)
    torch.testing.assert_close(loaded(heard).embedding, saved(heard).embedding, rtol=0, atol=0)
    assert not loaded.training  # type: ignore[attr-defined]


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    keys = {f"audio_enc.{key}": value for key, value in Crnn(**Crnn.TINY).state_dict().items()}
    del keys["audio_enc.cnn.features.4.bias"]
    torch.save(
        ({**keys, "audio_enc.extra": torch.zeros(1), "text_enc.x": torch.zeros(1)}, {}), path
    )
    with pytest.raises(DataError) as caught:
        load("dcase2022_crnn", checkpoint=path)
    assert "1 keys are missing: cnn.features.4.bias" in str(caught.value)
    assert "1 keys are unexpected: extra" in str(caught.value)
    assert "text_enc" not in str(caught.value)


@pytest.mark.parametrize(
    ("frames", "lengths", "message"),
    [
        (3, None, r"a clip of 3 steps is too short .*\n.*at least 4 steps \(0.08 s\)"),
        (9, [9, 2], "a clip of 2 steps is too short"),
        (9, [9, 10], "a length of 10 in features of 9 steps"),
    ],
)
def test_lengths_that_cannot_be(frames: int, lengths: list[int] | None, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        NETWORKS["gru"](features(2, frames), None if lengths is None else torch.tensor(lengths))


def test_features_of_another_shape_are_refused() -> None:
    with pytest.raises(AudioError, match=r"shape \(2, 8, 32\), not \[batch, frames, 64\]"):
        NETWORKS["gru"](features(2, 8, bands=32))


def test_impossible_options_are_refused_together() -> None:
    with pytest.raises(RecipeError, match=r"recurrent is 'rnn'.*; channels is \[1, 2, 3\]"):
        Crnn(recurrent="rnn", channels=(1, 2, 3))  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="bands is 32; pooling needs at least 64"):
        network(bands=32)
    with pytest.raises(RecipeError, match="bands is 128, but dcase2022_44k gives 64"):
        Crnn(bands=128)
