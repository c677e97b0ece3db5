"""Scenes hold the sounds they claim at the times they claim."""

from __future__ import annotations

import numpy as np
import pytest

from soundseek.errors import SoundseekError
from soundseek.synth import KINDS, SCENES, render, render_scene


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_is_well_formed(name: str) -> None:
    scene = SCENES[name]
    assert scene.name == name
    assert scene.duration_s >= 30
    assert scene.backgrounds
    assert scene.events
    assert {kind for kind, _ in scene.backgrounds} <= set(KINDS)
    for event in scene.events:
        assert event.kind in KINDS
        assert 0 <= event.start_s < event.end_s <= scene.duration_s
        assert 0 < event.gain <= 1
    ends = [0.0, *(event.end_s for event in scene.events)]
    starts = [event.start_s for event in scene.events]
    assert all(start >= end for start, end in zip(starts, ends, strict=False))


def test_the_promised_moments() -> None:
    assert [e.start_s for e in SCENES["rainy_evening"].events if e.kind == "dog_bark"] == [21.0]
    assert [e.start_s for e in SCENES["street_scene"].events if e.kind == "siren"] == [14.0]


@pytest.mark.parametrize("name", SCENES)
def test_events_are_where_they_should_be(name: str) -> None:
    rate = 8000
    scene = SCENES[name]
    mix = render_scene(name, seed=4, sample_rate=rate)
    assert mix.dtype == np.float32
    assert mix.shape == (round(scene.duration_s * rate),)
    assert np.max(np.abs(mix)) == pytest.approx(0.8, abs=1e-6)
    for event in scene.events:
        sound = render(event.kind, seed=4, duration_s=event.duration_s, sample_rate=rate)
        # Where the event slides along the scene, it fits best at its own start.
        padded = 2 ** int(np.ceil(np.log2(len(mix) + len(sound))))
        fit = np.fft.irfft(np.fft.rfft(mix, padded) * np.conj(np.fft.rfft(sound, padded)), padded)[
            : len(mix)
        ]
        assert np.argmax(np.abs(fit)) / rate == pytest.approx(event.start_s, abs=0.001)


def test_a_scene_repeats_itself_and_varies_with_the_seed() -> None:
    first = render_scene("quiet_office", seed=1, sample_rate=8000)
    np.testing.assert_array_equal(first, render_scene("quiet_office", seed=1, sample_rate=8000))
    assert not np.allclose(first, render_scene("quiet_office", seed=2, sample_rate=8000))


def test_an_unknown_scene_lists_the_choices_and_the_nearest() -> None:
    with pytest.raises(SoundseekError) as caught:
        render_scene("street")
    assert caught.value.remedy is not None
    assert "did you mean 'street_scene'?" in caught.value.remedy
    assert all(name in caught.value.remedy for name in SCENES)


def test_a_rate_out_of_range_is_refused() -> None:
    with pytest.raises(SoundseekError, match="100 Hz"):
        render_scene("street_scene", sample_rate=100)
