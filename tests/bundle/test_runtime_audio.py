from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.bundle.check import read_manifest
from soundseek.bundle.load import load_bundle
from soundseek.bundle.runtime import Bundle
from soundseek.bundle.sounds import pool_windows
from soundseek.bundle.write import write_bundle
from soundseek.errors import AudioError, BundleError
from support.tiny_bundle import HOP_SAMPLES, SAMPLE_RATE, SOUNDS, WINDOW_SAMPLES, noise, sine


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return load_bundle(tiny_bundle, threads=1)


def test_attributes(bundle: Bundle, tiny_bundle: Path) -> None:
    assert (bundle.name, bundle.dimension, bundle.sample_rate) == ("tiny", 32, 16_000)
    assert bundle.window_s == WINDOW_SAMPLES / 16_000
    assert bundle.hop_s == HOP_SAMPLES / 16_000
    assert bundle.folder == tiny_bundle
    assert bundle.fingerprint[:12] in repr(bundle)
    bundle.verify()


def test_each_word_finds_its_sound(bundle: Bundle) -> None:
    sounds = bundle.encode_audio([render() for render in SOUNDS.values()], SAMPLE_RATE)
    texts = bundle.encode_text([f"the sound of {word}" for word in SOUNDS])
    assert (texts @ sounds.T).argmax(axis=1).tolist() == list(range(len(SOUNDS)))


def test_one_item_or_several_paths_or_arrays(bundle: Bundle, tmp_path: Path) -> None:
    samples = sine(700)
    soundfile.write(tmp_path / "tone.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    path = tmp_path / "tone.wav"
    expected = bundle.encode_audio(samples, SAMPLE_RATE)
    assert expected.shape == (1, 32)
    assert expected.dtype == np.float32
    assert np.linalg.norm(expected) == pytest.approx(1.0, abs=1e-6)
    assert bundle.encode_audio(path) == pytest.approx(expected, abs=1e-6)
    assert bundle.encode_audio(str(path)) == pytest.approx(expected, abs=1e-6)
    mixed = bundle.encode_audio([path, samples.astype(np.float64)], SAMPLE_RATE)
    assert mixed == pytest.approx(np.tile(expected, (2, 1)), abs=1e-6)
    assert bundle.encode_audio([]).shape == (0, 32)


def test_arrays_are_resampled(bundle: Bundle) -> None:
    at_16k = bundle.encode_audio(sine(700), SAMPLE_RATE)
    at_44k = bundle.encode_audio(sine(700, sample_rate=44_100), 44_100)
    assert (at_16k @ at_44k.T).item() > 0.98
    wrong_rate = bundle.encode_audio(sine(700, sample_rate=44_100), SAMPLE_RATE)
    assert (at_16k @ wrong_rate.T).item() < 0.98


def test_windows_and_their_mean(bundle: Bundle) -> None:
    samples = np.concatenate([noise(4), sine(500, 4)])
    (windows,) = bundle.encode_audio(samples, SAMPLE_RATE, windows=True)
    assert windows.shape == (3, 32)
    vectors, starts_s, valid = bundle.encode_blocks([samples])
    assert np.array_equal(vectors, windows)
    assert starts_s.tolist() == [0.0, bundle.hop_s, 2 * bundle.hop_s]
    assert valid.tolist() == [WINDOW_SAMPLES, WINDOW_SAMPLES, samples.size - 2 * HOP_SAMPLES]
    mean = (windows * valid[:, None]).sum(axis=0)
    clip = bundle.encode_audio(samples, SAMPLE_RATE)[0]
    assert clip == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 12 * SAMPLE_RATE), st.integers(1, 5 * SAMPLE_RATE))
def test_how_a_stream_is_cut_into_blocks_does_not_matter(
    bundle: Bundle, n_samples: int, block: int
) -> None:
    samples = noise(12)[:n_samples]
    whole = bundle.encode_blocks([samples])
    parts = bundle.encode_blocks(samples[at : at + block] for at in range(0, n_samples, block))
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one, other)


def test_a_window_does_not_depend_on_its_neighbours(bundle: Bundle) -> None:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((40, WINDOW_SAMPLES)).astype(np.float32) * 0.1
    valid = rng.integers(1, WINDOW_SAMPLES + 1, 40)
    for row, length in zip(samples, valid, strict=True):
        row[length:] = 0
    together = bundle.embed_windows(samples, valid)
    alone = [bundle.embed_windows(samples[[i]], valid[[i]])[0] for i in range(40)]
    assert together == pytest.approx(np.stack(alone), abs=1e-5)


def test_padding_does_not_count(bundle: Bundle) -> None:
    short = bundle.encode_audio(sine(700, 1.0), SAMPLE_RATE)
    long = bundle.encode_audio(sine(700, 2.8), SAMPLE_RATE)
    assert (short @ long.T).item() > 0.999


@pytest.mark.parametrize("n_samples", [1, 10, 399, 400, 401])
def test_a_blink_of_sound_has_a_vector(bundle: Bundle, n_samples: int) -> None:
    vector = bundle.encode_audio(noise()[:n_samples], SAMPLE_RATE)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_a_long_stream_stays_small_in_memory(bundle: Bundle) -> None:
    import tracemalloc

    block = noise(30.0)

    def hours() -> Iterator[np.ndarray]:
        for _ in range(60):  # half an hour: 115 MB if it were kept
            yield block

    tracemalloc.start()
    result = bundle.encode_blocks(hours())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(result.vectors) == 625
    assert peak < 30e6


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros((2, 100)), 16_000, r"shape \(2, 100\).*mono.*\n.*axis=0"),
        (np.zeros((100, 2)), 16_000, r"shape \(100, 2\).*mono.*\n.*axis=-1"),
        (np.zeros((1, 100)), 16_000, "mono"),
        (np.array(0.5), 16_000, "mono"),
        (0.5, 16_000, "the input is a float|item 0 is a float"),
        (np.zeros(100), None, "no sample rate"),
        (np.zeros(100), 0, "at least 1 Hz"),
        (np.zeros(0), 16_000, "it is empty"),
        (np.zeros(100, dtype=np.int16), 16_000, "int16.*floats"),
        (np.zeros(100, dtype=complex), 16_000, "complex.*floats"),
        (np.array([0.0, np.nan]), 16_000, "nan at sample 1"),
        (np.array([0.0, 0.0, np.inf]), 16_000, "inf at sample 2"),
    ],
)
def test_bad_arrays_are_refused(bundle: Bundle, samples, rate, message) -> None:
    with pytest.raises(AudioError, match=message):
        bundle.encode_audio(samples, rate)
    with pytest.raises(AudioError, match=message):
        bundle.encode_audio([samples], rate)


def test_the_bad_one_of_several_is_named(bundle: Bundle) -> None:
    with pytest.raises(AudioError, match="item 1 holds nan"):
        bundle.encode_audio([sine(300), np.array([np.nan])], SAMPLE_RATE)


@pytest.mark.parametrize("item", [3, [0.1, 0.2], b"tone.wav", None])
def test_what_is_neither_path_nor_array_is_refused(bundle: Bundle, item: object) -> None:
    with pytest.raises(AudioError, match=r"item 0 is a .*\n.*path or a NumPy array"):
        bundle.encode_audio([item], SAMPLE_RATE)  # type: ignore[list-item]


def test_bad_files_are_named(bundle: Bundle, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, dtype=np.float32), SAMPLE_RATE)
    (tmp_path / "text.wav").write_text("no sound")
    for name in ("empty.wav", "text.wav", "gone.wav"):
        with pytest.raises(AudioError, match=name):
            bundle.encode_audio([tmp_path / name])


@pytest.mark.parametrize(
    ("samples", "valid", "message"),
    [
        (np.zeros(WINDOW_SAMPLES, np.float32), [1], "shape"),
        (np.zeros((1, 100), np.float32), [100], r"instead of \[n, 46320\]"),
        (np.zeros((2, WINDOW_SAMPLES), np.float32), [5], "2 windows"),
        (np.zeros((1, WINDOW_SAMPLES), np.float32), [0], "from 1 to 46320"),
        (np.zeros((1, WINDOW_SAMPLES), np.float32), [WINDOW_SAMPLES + 1], "from 1 to 46320"),
        (np.full((1, WINDOW_SAMPLES), np.nan, np.float32), [5], "window 0 holds nan at sample 0"),
    ],
)
def test_bad_windows_are_refused(bundle: Bundle, samples, valid, message) -> None:
    with pytest.raises(AudioError, match=message):
        bundle.embed_windows(samples, valid)


def test_pooling_weighs_by_length(bundle: Bundle) -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    pooled = pool_windows(vectors, [300, 400])
    assert pooled.tolist() == pytest.approx([0.6, 0.8])
    assert pooled.dtype == np.float32
    assert pool_windows(vectors[:1], [7]).tolist() == [1.0, 0.0]
    # Vectors that cancel out must not make a vector of zeros.
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]], dtype=np.float32)
    assert pool_windows(opposite, [5, 5]).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("vectors", "valid"),
    [(np.zeros((0, 2)), []), (np.ones((2, 2)), [1]), (np.ones(2), [1]), (np.ones((1, 2)), [0])],
)
def test_pooling_refuses_what_it_cannot_weigh(vectors, valid) -> None:
    with pytest.raises(AudioError, match="cannot pool"):
        pool_windows(vectors.astype(np.float32), valid)


def test_bad_samples_in_a_stream_are_found_in_time(bundle: Bundle) -> None:
    samples = noise(70.0)
    samples[65 * SAMPLE_RATE] = np.nan
    with pytest.raises(AudioError, match=r"the sound holds nan at 65\.000 s"):
        bundle.encode_blocks([samples])


def test_verify_runs_the_networks(tiny_bundle: Path, tmp_path: Path) -> None:
    manifest, _ = read_manifest(tiny_bundle)
    wider = dataclasses.replace(manifest, dimension=64, files={})
    folder = write_bundle(
        tmp_path / "wider",
        wider,
        audio_onnx=tiny_bundle / "audio.onnx",
        text_onnx=tiny_bundle / "text.onnx",
        tokenizer_json=(tiny_bundle / "tokenizer.json").read_text(),
        model_card="",
    )
    with pytest.raises(BundleError, match=r"text\.onnx returns vectors of 32 values instead of 64"):
        load_bundle(folder).verify()


@pytest.mark.parametrize("loudest", [1e13, -1e30, np.nan, np.inf])
def test_samples_that_no_front_end_can_take(tiny_bundle: Path, loudest: float) -> None:
    bundle = load_bundle(tiny_bundle)
    samples = np.zeros(bundle.sample_rate, np.float32)
    samples[800] = loudest
    with pytest.raises(AudioError, match=r"holds .* at (0\.050 s|sample 800)"):
        bundle.encode_audio(samples, bundle.sample_rate)
    samples[800] = 1e11
    assert np.isfinite(bundle.encode_audio(samples, bundle.sample_rate)).all()
