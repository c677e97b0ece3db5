from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab.audio_encoders import load
from soundseek.lab.audio_encoders.cau import Cnn10Gru
from soundseek.lab.audio_encoders.panns import Cnn10
from support.lively_weights import enlivened

pytestmark = pytest.mark.lab

FEATURES = torch.randn(2, 70, 64, generator=torch.Generator().manual_seed(0))


def saved(folder: Path, network: torch.nn.Module) -> Path:
    state = {key.removeprefix("head."): value for key, value in network.state_dict().items()}
    torch.save({"model": state}, folder / "a.pth")
    return folder / "a.pth"


@pytest.mark.parametrize(
    ("frontend", "rate", "window", "fft"),
    [("dcase2022_44k", 44_100, 1764, 2048), ("dcase2022_16k", 16_000, 640, 1024)],
)
def test_it_hears_what_the_baseline_hears(frontend: str, rate: int, window: int, fft: int) -> None:
    encoder = Cnn10Gru(frontend=frontend, **Cnn10Gru.TINY)
    spec = encoder.frontend.spec
    assert (encoder.sample_rate, spec.window_samples, spec.fft_size) == (rate, window, fft)
    assert (spec.bands, spec.f_min, spec.f_max, spec.compression) == (64, 12, 8000, "ln_offset")
    assert encoder.seconds_per_step == pytest.approx(0.32)
    assert encoder.features(torch.zeros(1, rate)).shape == (1, 51, 64)


def test_the_report_has_300_values() -> None:
    with torch.device("meta"):
        assert Cnn10Gru().width == 300


@torch.no_grad()
def test_the_recurrence_runs_both_ways_over_the_mean_of_the_bands() -> None:
    encoder = enlivened(Cnn10Gru(**Cnn10Gru.TINY))
    encoding = encoder(FEATURES)
    steps = encoding.feature_map.mean(3).transpose(1, 2)
    torch.testing.assert_close(encoding.sequence, encoder.gru(steps)[0])
    torch.testing.assert_close(encoding.pooled, encoding.sequence.mean(1))


@torch.no_grad()
def test_the_blocks_come_from_panns(tmp_path: Path) -> None:
    panns = enlivened(Cnn10(**Cnn10.TINY))
    encoder = load("cau_cnn10_gru", checkpoint=saved(tmp_path, panns), options={"hidden": 6})
    expected, got = panns(FEATURES).feature_map, encoder(FEATURES).feature_map
    assert expected is not None
    assert got is not None
    torch.testing.assert_close(got, expected)


@torch.no_grad()
def test_its_own_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    original = enlivened(Cnn10Gru(**Cnn10Gru.TINY))
    encoder = load("cau_cnn10_gru", checkpoint=saved(tmp_path, original))
    torch.testing.assert_close(encoder(FEATURES).pooled, original(FEATURES).pooled)
    del original.gru.weight_hh_l0
    with pytest.raises(DataError, match=r"1 keys are missing: gru\.weight_hh_l0"):
        load("cau_cnn10_gru", checkpoint=saved(tmp_path, original), options={"hidden": 6})


def test_frozen_blocks_stay_as_they_are() -> None:
    encoder = enlivened(Cnn10Gru(frozen_cnn=True, **Cnn10Gru.TINY)).train()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=0.1)
    encoder(FEATURES).pooled.square().sum().backward()
    optimiser.step()
    moved = {k for k, value in encoder.state_dict().items() if not torch.equal(value, before[k])}
    assert moved == {key for key in before if key.startswith("gru.")}
    assert encoder.gru.training
    assert not encoder.cnn.training
    torch.testing.assert_close(encoder(FEATURES).pooled, encoder(FEATURES).pooled, rtol=0, atol=0)


def test_frozen_blocks_hear_augmented_maps() -> None:
    encoder = enlivened(Cnn10Gru(frozen_cnn=True, **Cnn10Gru.TINY)).train()
    plain = encoder(FEATURES).pooled
    encoder.augment = lambda x: x * 0.0
    assert not torch.allclose(encoder(FEATURES).pooled, plain)


def test_an_unknown_front_end_is_refused_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"'dcase2022_16'\n.*'dcase2022_16k'"):
        Cnn10Gru(frontend="dcase2022_16")
