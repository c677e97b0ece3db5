from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.disturbances import DISTURBANCES, REVERBERATION_S, Sound

pytestmark = pytest.mark.lab

RATE = 16_000
ORIGINAL_RATE = 44_100


def tone(hz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return (0.2 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def sound(samples: np.ndarray | None = None) -> Sound:
    chosen = tone(440.0, 3.0) if samples is None else samples
    return Sound(chosen, RATE, tone(440.0, 3.0, ORIGINAL_RATE), ORIGINAL_RATE, tone(3_000.0, 1.0))


def disturbed(name: str, given: Sound, seed: int = 0) -> tuple[np.ndarray, int]:
    return DISTURBANCES[name](given, np.random.default_rng(seed))


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def power_between(samples: np.ndarray, rate: int, low: float, high: float) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / rate)
    return float(power[(hz >= low) & (hz < high)].sum())


@pytest.mark.parametrize("name", DISTURBANCES)
def test_the_same_generator_gives_the_same_sound_and_the_input_stays(name: str) -> None:
    given = sound()
    before = given.samples.copy(), given.original.copy(), given.intruder.copy()
    (first, rate), (again, _) = disturbed(name, given), disturbed(name, given)
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert rate in (RATE, 48_000)
    after = given.samples, given.original, given.intruder
    for was, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(was, now)


@pytest.mark.parametrize("colour", ["white", "pink"])
@pytest.mark.parametrize("snr_db", [20, 10, 0])
def test_noise_has_the_power_that_is_asked_for(colour: str, snr_db: int) -> None:
    given = sound()
    heard, _ = disturbed(f"{colour} noise, {snr_db} dB", given)
    noise = heard - given.samples
    assert 20 * np.log10(rms(given.samples) / rms(noise)) == pytest.approx(snr_db, abs=0.01)


def test_pink_noise_has_the_same_power_in_every_octave_and_white_doubles_it() -> None:
    given = sound(tone(440.0, 30.0))
    octaves = [(250.0, 500.0), (500.0, 1_000.0), (1_000.0, 2_000.0), (2_000.0, 4_000.0)]
    for colour, ratio in (("pink", 1.0), ("white", 2.0)):
        noise = disturbed(f"{colour} noise, 0 dB", given)[0] - given.samples
        powers = [power_between(noise, RATE, *octave) for octave in octaves]
        for lower, upper in itertools.pairwise(powers):
            assert upper / lower == pytest.approx(ratio, rel=0.1)


def test_noise_at_three_levels_is_one_noise() -> None:
    given = sound()
    loud = disturbed("white noise, 0 dB", given)[0] - given.samples
    soft = disturbed("white noise, 20 dB", given)[0] - given.samples
    np.testing.assert_allclose(loud, 10.0 * soft, atol=1e-6)


@pytest.mark.parametrize("name", ["white noise, 0 dB", "pink noise, 0 dB", "another sound, 0 dB"])
def test_silence_is_disturbed_without_a_division_by_zero(name: str) -> None:
    heard, _ = disturbed(name, sound(np.zeros(RATE, np.float32)))
    assert np.isfinite(heard).all()
    if "noise" in name:
        assert not heard.any()


@pytest.mark.parametrize("level_db", [-10, 0])
def test_another_sound_stands_at_its_level_somewhere_in_the_clip(level_db: int) -> None:
    given = sound()
    begins = set()
    for seed in range(4):
        heard, _ = disturbed(f"another sound, {level_db} dB", given, seed)
        added = heard - given.samples
        where = np.flatnonzero(np.abs(added) > 1e-6)
        sounding = added[where[0] : where[-1] + 1]
        assert len(sounding) == pytest.approx(len(given.intruder), abs=10)
        assert 20 * np.log10(rms(sounding) / rms(given.samples)) == pytest.approx(level_db, abs=0.8)
        begins.add(int(where[0]))
    assert len(begins) == 4


def test_gain_is_in_decibels_and_clips_at_full_scale() -> None:
    given = sound()
    np.testing.assert_allclose(disturbed("gain -20 dB", given)[0], given.samples / 10, rtol=1e-5)
    loud, _ = disturbed("gain +20 dB, clipped", given)
    np.testing.assert_allclose(loud, np.clip(given.samples * 10, -1, 1), rtol=1e-5)
    assert np.abs(loud).max() == 1.0


def test_a_telephone_keeps_what_is_below_4_khz_in_its_place() -> None:
    low, high = tone(1_000.0, 2.0), tone(6_000.0, 2.0)
    heard, _ = disturbed("below 4 kHz", sound(low + high))
    assert len(heard) == len(low)
    np.testing.assert_allclose(heard[2_000:-2_000], low[2_000:-2_000], atol=1e-3)


def test_a_room_answers_an_impulse_with_a_tail_that_falls_by_60_db() -> None:
    impulse = np.zeros(RATE, np.float32)
    impulse[0] = 1.0
    heard, _ = disturbed("room, 1 s", sound(impulse))
    assert len(heard) == len(impulse) + round(REVERBERATION_S * RATE) - 1
    tail = heard[1:RATE].astype(np.float64)
    assert np.sum(tail**2) == pytest.approx(1.0, rel=0.1)
    assert heard[0] == pytest.approx(1.0, abs=0.1)
    early, late = rms(tail[:800]), rms(tail[-800:])
    assert 20 * np.log10(early / late) == pytest.approx(57.0, abs=3.0)  # over 0.95 s


def test_a_room_is_a_convolution() -> None:
    given = sound(tone(440.0, 0.05))
    impulse = np.zeros(800, np.float32)
    impulse[0] = 1.0
    response, _ = disturbed("room, 1 s", sound(impulse))
    heard, _ = disturbed("room, 1 s", given)
    np.testing.assert_allclose(heard, np.convolve(given.samples, response[:RATE]), atol=1e-5)


def test_cuts_and_silence() -> None:
    given = sound()
    np.testing.assert_array_equal(disturbed("first 1 s", given)[0], given.samples[:RATE])
    np.testing.assert_array_equal(disturbed("first 5 s", given)[0], given.samples)
    late, _ = disturbed("after 5 s of silence", given)
    assert not late[: 5 * RATE].any()
    np.testing.assert_array_equal(late[5 * RATE :], given.samples)


@pytest.mark.parametrize("name", ["MP3, 64 kbit/s", "MP3, 32 kbit/s", "Opus, 12 kbit/s"])
def test_codecs_give_back_the_original_nearly(name: str) -> None:
    pytest.importorskip("av")
    heard, rate = disturbed(name, sound())
    assert (rate, len(heard)) == (48_000, 3 * 48_000)
    middle = heard[rate : 2 * rate]
    assert power_between(middle, rate, 400, 480) > 0.95 * power_between(middle, rate, 0, rate)
    assert rms(middle) == pytest.approx(0.2 / np.sqrt(2), rel=0.1)
    assert not np.array_equal(middle, tone(440.0, 3.0, rate)[rate : 2 * rate])


def test_codecs_without_pyav_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DataError, match="codecs need PyAV") as raised:
        disturbed("Opus, 12 kbit/s", sound())
    assert raised.value.remedy == "pip install 'soundseek[video]'"
