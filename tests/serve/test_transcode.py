"""Sounds made playable: what comes out sounds as what went in, with its channels."""

from __future__ import annotations

import io
import sys
import tracemalloc
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseek.audio.decode import read
from soundseek.errors import AudioError
from soundseek.serve import channels, transcode
from soundseek.serve.channels import channel_blocks
from soundseek.serve.transcode import has_opus, write_opus, write_wav
from support.tiny_bundle import noise, sine

NEEDS_AV = pytest.mark.skipif(find_spec("av") is None, reason="needs PyAV (extra `video`)")


def stereo(seconds: float = 2.0, rate: int = 44_100) -> np.ndarray:
    return np.stack([sine(440, seconds, rate), 0.3 * sine(1000, seconds, rate)], axis=1)


def written(path: Path, write: object) -> bytes:
    out = io.BytesIO()
    write(path, out)  # type: ignore[operator]
    return out.getvalue()


def strongest_hz(samples: np.ndarray, rate: int) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate / samples.size)


def test_wav_keeps_rate_channels_and_samples(tmp_path: Path) -> None:
    path = tmp_path / "sound.aiff"
    soundfile.write(path, stereo(), 44_100, subtype="PCM_24")
    found, rate = soundfile.read(io.BytesIO(written(path, write_wav)))
    assert rate == 44_100
    np.testing.assert_allclose(found, stereo(), atol=1 / 32_768)


@NEEDS_AV
def test_opus_keeps_length_and_channels(tmp_path: Path) -> None:
    path = tmp_path / "sound.aiff"
    soundfile.write(path, stereo(), 44_100)
    content = written(path, write_opus)
    assert content[:4] == b"\x1aE\xdf\xa3"
    assert len(content) < 2 * 44_100
    (tmp_path / "out.webm").write_bytes(content)
    blocks = list(channel_blocks(tmp_path / "out.webm"))
    found = np.concatenate([block for block, _ in blocks])
    assert {rate for _, rate in blocks} == {48_000}
    assert found.shape[1] == 2
    assert abs(len(found) / 48_000 - 2.0) < 0.03
    assert strongest_hz(found[:, 0], 48_000) == pytest.approx(440, abs=2)
    assert strongest_hz(found[:, 1], 48_000) == pytest.approx(1000, abs=2)


@NEEDS_AV
def test_the_same_sound_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    soundfile.write(path, noise(1.0), 16_000)
    assert written(path, write_opus) == written(path, write_opus)


@NEEDS_AV
@pytest.mark.parametrize("rate", [8_000, 11_025, 96_000])
def test_opus_of_any_rate(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "sound.wav"
    soundfile.write(path, sine(440, 1.0, rate), rate)
    (tmp_path / "out.webm").write_bytes(written(path, write_opus))
    found, found_rate = read(tmp_path / "out.webm")
    assert abs(found.size / found_rate - 1.0) < 0.03


@NEEDS_AV
def test_very_short_sounds(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    soundfile.write(path, np.full(10, 0.1, np.float32), 16_000)
    (tmp_path / "out.webm").write_bytes(written(path, write_opus))
    assert read(tmp_path / "out.webm")[0].size > 0
    assert soundfile.read(io.BytesIO(written(path, write_wav)))[0].size == 10


def test_more_than_two_channels_become_their_mean(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    six = np.stack([sine(440, 0.5)] * 3 + [np.zeros(8000, np.float32)] * 3, axis=1)
    soundfile.write(path, six, 16_000)
    found, _ = soundfile.read(io.BytesIO(written(path, write_wav)))
    np.testing.assert_allclose(found, 0.5 * sine(440, 0.5), atol=1e-4)


def test_loud_and_odd_samples_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    odd = np.array([0.5, 3.0, -3.0, np.nan, np.inf, -np.inf, 0.25], np.float32)
    soundfile.write(path, odd, 16_000, subtype="FLOAT")
    found, _ = soundfile.read(io.BytesIO(written(path, write_wav)))
    np.testing.assert_allclose(found, [0.5, 1, -1, 0, 1, -1, 0.25], atol=1e-4)


@pytest.mark.parametrize("write", [write_wav, pytest.param(write_opus, marks=NEEDS_AV)])
def test_what_is_no_sound(tmp_path: Path, write: object) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(b"nothing" * 100)
    with pytest.raises(AudioError, match=r"sound\.wav"):
        written(path, write)
    with pytest.raises(AudioError, match="no such file"):
        written(tmp_path / "gone.wav", write)


def test_a_wav_that_would_be_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcode, "_MOST_WAV_BYTES", 1000)
    path = tmp_path / "sound.flac"
    soundfile.write(path, noise(1.0), 16_000)
    with pytest.raises(AudioError, match="too long for a WAV"):
        written(path, write_wav)


def test_without_pyav_there_is_no_opus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert not has_opus()
    path = tmp_path / "sound.aiff"
    soundfile.write(path, stereo(0.1), 44_100)
    assert written(path, write_wav)[:4] == b"RIFF"


@pytest.mark.slow
def test_length_does_not_cost_memory(tmp_path: Path) -> None:
    peak = {}
    for seconds in (30, 300):
        path = tmp_path / f"{seconds}.flac"
        soundfile.write(path, np.zeros((44_100 * seconds, 2), np.int16), 44_100)
        for write in (write_wav, write_opus) if has_opus() else (write_wav,):
            with (tmp_path / "out").open("wb+") as out:
                tracemalloc.start()
                write(path, out)
                peak[write.__name__, seconds] = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
    for name in {name for name, _ in peak}:
        assert peak[name, 300] < peak[name, 30] * 1.5 + (1 << 20)


def test_what_libsndfile_reads_does_not_need_ffmpeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(path: Path) -> None:
        raise AssertionError(path)

    monkeypatch.setattr(channels, "_by_ffmpeg", never)
    path = tmp_path / "sound.wav"
    soundfile.write(path, stereo(), 44_100, subtype="FLOAT")
    found = np.concatenate([block for block, _ in channel_blocks(path)])
    np.testing.assert_array_equal(found, stereo())
