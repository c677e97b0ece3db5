from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.audio.frontends import PRESETS, features, least_samples, n_frames
from soundseek.lab.frontends import FrontEnd
from soundseek.lab.retrieval.waveforms import padded, reflected
from support.retrieval import noise

pytestmark = pytest.mark.lab

REFLECTING = ["panns_32k", "panns_16k", "passt_32k", "dcase2022_44k"]


def test_sounds_are_padded_with_silence_to_the_longest() -> None:
    waveforms, samples = padded([np.ones(3, np.float32), np.ones(5, np.float32)])
    assert waveforms.tolist() == [[1, 1, 1, 0, 0], [1] * 5]
    assert waveforms.dtype == torch.float32
    assert samples.tolist() == [3, 5]


@pytest.mark.parametrize("name", REFLECTING)
@settings(max_examples=10, deadline=None)
@given(short=st.integers(0, 4000), behind=st.integers(1, 4000))
def test_behind_a_shorter_sound_the_front_end_finds_its_reflection(
    name: str, short: int, behind: int
) -> None:
    """However little longer the longest of the batch is."""
    spec = PRESETS[name]
    short += least_samples(spec)
    sound = noise(1.0, short, seed=behind)
    other = noise(1.0, short + behind, seed=short)
    waveforms, samples = padded([sound, other])
    found = FrontEnd(spec)(reflected(waveforms, samples, spec)).numpy()
    for row, alone in zip(found, (sound, other), strict=True):
        wanted = features(alone, spec)
        np.testing.assert_allclose(row[: len(wanted)], wanted, rtol=1e-3, atol=2e-3)


def test_the_reflection_is_the_front_ends_own() -> None:
    spec = PRESETS["panns_16k"]
    half = spec.fft_size // 2
    sound = noise(1.0, 2000)
    longer = reflected(torch.from_numpy(np.pad(sound, (0, 100)))[None], torch.tensor([2000]), spec)
    assert longer.shape == (1, 2100 + half)
    wanted = torch.from_numpy(np.pad(sound, (0, half), mode="reflect"))
    assert longer[0, : 2000 + half].equal(wanted)


@pytest.mark.parametrize("name", ["beats_16k", "vggish_16k"])
def test_other_front_ends_find_silence(name: str) -> None:
    rows = torch.ones(2, 4000)
    assert reflected(rows, torch.tensor([4000, 100]), PRESETS[name]) is rows
    assert reflected(rows, torch.tensor([4000, 100]), None) is rows


def test_full_rows_stay_as_they_are() -> None:
    rows = torch.ones(2, 4000)
    assert reflected(rows, torch.tensor([4000, 4000]), PRESETS["panns_32k"]) is rows


@pytest.mark.parametrize("name", ["panns_32k", "passt_32k"])
def test_rows_without_sound_stay_silent(name: str) -> None:
    rows = torch.zeros(2, 4000)
    rows[0] = 1.0
    longer = reflected(rows, torch.tensor([3000, 0]), PRESETS[name])
    assert not longer[1].any()
    assert n_frames(longer.shape[1], PRESETS[name]) >= n_frames(4000, PRESETS[name])
