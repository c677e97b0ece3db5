"""Every kind of file that decodes, whatever decoder does it."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseek.audio.decode import probe, read, stream
from soundseek.audio.resample import resample
from soundseek.errors import AudioError

RATE = 44_100


@pytest.mark.parametrize(
    ("name", "subtype", "word", "error"),
    [
        ("a.wav", "PCM_U8", "wav", 1e-2),
        ("a.wav", "PCM_16", "wav", 5e-5),
        ("a.wav", "PCM_24", "wav", 2e-7),
        ("a.wav", "PCM_32", "wav", 6e-8),
        ("a.wav", "FLOAT", "wav", 6e-8),
        ("a.wav", "DOUBLE", "wav", 6e-8),
        ("a.flac", "PCM_16", "flac", 5e-5),
        ("a.flac", "PCM_24", "flac", 2e-7),
        ("a.aiff", "PCM_16", "aiff", 5e-5),
        ("a.ogg", "VORBIS", "ogg", 0.15),
        ("a.mp3", "MPEG_LAYER_III", "mp3", 0.15),
        ("a.w64", "PCM_16", "w64", 5e-5),
        ("a.rf64", "PCM_16", "wav", 5e-5),
        ("a.caf", "PCM_16", "caf", 5e-5),
        ("a.au", "PCM_16", "au", 5e-5),
    ],
)
def test_formats_of_libsndfile(
    tmp_path: Path, stereo: np.ndarray, name: str, subtype: str, word: str, error: float
) -> None:
    path = tmp_path / name
    soundfile.write(path, stereo, RATE, subtype=subtype)
    info = probe(path)
    assert (info.path, info.format, info.sample_rate, info.channels) == (path, word, RATE, 2)
    assert info.duration_s == pytest.approx(2.0, abs=0.05)
    got, rate = read(path)
    assert rate == RATE
    assert got.dtype == np.float32
    assert got.size == len(stereo)
    np.testing.assert_allclose(got, stereo.mean(axis=1), rtol=0, atol=error)


def test_opus(tmp_path: Path, stereo: np.ndarray) -> None:
    path = tmp_path / "a.opus"
    soundfile.write(path, stereo, 48_000, format="OGG", subtype="OPUS")
    assert probe(path).format == "opus"
    got, rate = read(path)
    assert rate == 48_000
    assert np.corrcoef(got, stereo.mean(axis=1))[0, 1] > 0.98


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32"])
def test_integers_are_scaled_as_libsndfile_scales_them(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "a.wav"
    full = np.random.default_rng(0).uniform(-1, 1, 5000)
    soundfile.write(path, full, RATE, subtype=subtype)
    expected, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(read(path)[0], expected)


def test_channels_are_averaged_before_resampling(tmp_path: Path, stereo: np.ndarray) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, stereo, RATE, subtype="FLOAT")
    expected = resample(stereo @ np.full(2, 0.5, np.float32), RATE, 32_000)
    got, rate = read(path, 32_000)
    assert rate == 32_000
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what librosa imports
@pytest.mark.parametrize("target", [16_000, 32_000, 44_100])
def test_equals_librosa(tmp_path: Path, stereo: np.ndarray, target: int) -> None:
    librosa = pytest.importorskip("librosa")
    path = tmp_path / "a.wav"
    soundfile.write(path, stereo, RATE)
    expected, _ = librosa.load(path, sr=target)
    np.testing.assert_allclose(read(path, target)[0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("block_s", [0.05, 0.333, 1.0, 30.0])
@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.ogg"])
def test_read_equals_the_joined_stream(
    tmp_path: Path, stereo: np.ndarray, name: str, block_s: float
) -> None:
    path = tmp_path / name
    soundfile.write(path, stereo, RATE)
    blocks = list(stream(path, 32_000, block_s))
    assert all(block.dtype == np.float32 and block.ndim == 1 for block in blocks)
    np.testing.assert_allclose(np.concatenate(blocks), read(path, 32_000)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("start_s", [0.0, 0.5, 1.37])
@pytest.mark.parametrize("duration_s", [0.1, 0.5, None, 10.0])
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_part_of_a_file(
    tmp_path: Path, stereo: np.ndarray, name: str, start_s: float, duration_s: float | None
) -> None:
    path = tmp_path / name
    soundfile.write(path, stereo, RATE)
    whole, _ = read(path)
    start = round(start_s * RATE)
    stop = None if duration_s is None else start + round(duration_s * RATE)
    got, _ = read(path, start_s=start_s, duration_s=duration_s)
    np.testing.assert_allclose(got, whole[start:stop], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("start_s", "duration_s"), [(-0.1, None), (0.0, 0.0), (float("nan"), 1.0), (0.0, float("nan"))]
)
def test_impossible_parts_are_refused(start_s: float, duration_s: float | None) -> None:
    with pytest.raises(AudioError, match="start must be at least 0"):
        read("any.wav", start_s=start_s, duration_s=duration_s)


def test_a_part_behind_the_end_says_so(tmp_path: Path, stereo: np.ndarray) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, stereo, RATE)
    with pytest.raises(AudioError, match=r"a\.wav: cannot be decoded from 5 s on"):
        read(path, start_s=5.0)


def test_impossible_rates_and_blocks_are_refused() -> None:
    with pytest.raises(AudioError, match="sample rate 0 Hz"):
        read("any.wav", 0)
    with pytest.raises(AudioError, match="blocks of 0 s"):
        next(stream("any.wav", 32_000, 0))


def test_values_above_full_scale_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.full(1000, 3.5, np.float32), RATE, subtype="FLOAT")
    assert read(path)[0].max() == 3.5


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_eight_channels(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"eight.{suffix}"
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (5000, 8))
    soundfile.write(path, sound, RATE, subtype="PCM_24")
    assert probe(path).channels == 8
    np.testing.assert_allclose(read(path)[0], sound.mean(axis=1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("rate", "seconds"), [(192_000, 0.5), (8000, 0.05), (44_100, 0.05)])
def test_odd_rates_and_lengths(tmp_path: Path, rate: int, seconds: float) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * np.ones(round(rate * seconds)), rate)
    got, _ = read(path, 32_000)
    assert got.size == pytest.approx(32_000 * seconds, abs=1)


def test_silence_and_one_sample(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(RATE), RATE)
    assert not read(path, 32_000)[0].any()
    soundfile.write(path, np.ones(1), RATE)
    assert read(path)[0].size == 1


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_names_that_are_not_text(tmp_path: Path, stereo: np.ndarray) -> None:
    soundfile.write(tmp_path / "plain.wav", stereo, RATE)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \xff.wav"))
    (tmp_path / "plain.wav").rename(odd)
    assert read(odd)[0].size == len(stereo)
    assert probe(str(odd)).format == "wav"
    odd.write_bytes(b"nothing that sounds")
    with pytest.raises(AudioError) as caught:
        read(odd)
    assert r"caf\xe9 \xff.wav: cannot be decoded" in str(caught.value)


def test_the_content_decides_not_the_name(tmp_path: Path, stereo: np.ndarray) -> None:
    soundfile.write(tmp_path / "a.flac", stereo, RATE)
    for name in ("a.raw", "a.mp3", "a", "http:a.wav"):
        path = (tmp_path / "a.flac").rename(tmp_path / name)
        assert probe(path).format == "flac"
        assert read(path)[0].size == len(stereo)
        path.rename(tmp_path / "a.flac")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(seconds: int) -> int:
        path = tmp_path / "long.wav"
        soundfile.write(path, np.zeros(seconds * 16_000, np.int16), 16_000)
        tracemalloc.start()
        for _ in stream(path, 8000, 1.0):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(1)
    assert peak(240) < 1.5 * peak(10)


def test_importing_loads_no_decoder() -> None:
    script = (
        "import sys, soundseek.audio.decode, soundseek.audio.frontends, soundseek.audio.windows\n"
        "print(sorted({'av', 'soundfile', 'soxr', 'librosa', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
