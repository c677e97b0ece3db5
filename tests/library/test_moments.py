"""Where in a file something can be heard."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from soundseek.bundle.load import load_bundle
from soundseek.errors import AudioError, QueryError
from soundseek.library import Library
from soundseek.library.moments import find_moments, parts_above
from support.tiny_bundle import HOP_SAMPLES, SAMPLE_RATE, SOUNDS, WINDOW_SAMPLES

HOP_S = HOP_SAMPLES / SAMPLE_RATE
WINDOW_S = WINDOW_SAMPLES / SAMPLE_RATE


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Seven windows of hum, with clicks in the third and high tones in the fifth and sixth."""
    order = ["low", "low", "clicks", "low", "high", "high", "low"]
    sound = np.concatenate([SOUNDS[name]()[:HOP_SAMPLES] for name in order])
    path = tmp_path / "scene.wav"
    soundfile.write(path, sound, SAMPLE_RATE)
    return path


def test_finds_the_place(tiny_bundle: Path, scene: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    clicks, *_ = find_moments(bundle, scene, "clicks")
    assert (clicks.rank, clicks.start_s) == (1, pytest.approx(2 * HOP_S))
    assert clicks.end_s == pytest.approx(2 * HOP_S + WINDOW_S)
    high, *_ = find_moments(bundle, str(scene), "a high tone", k=1)
    assert high.start_s == pytest.approx(4 * HOP_S)
    assert high.end_s == pytest.approx(5 * HOP_S + WINDOW_S)
    assert 0.5 < high.score <= 1
    assert high.to_dict() == {
        "rank": 1,
        "score": high.score,
        "start_s": high.start_s,
        "end_s": high.end_s,
    }


def test_the_library_answers_as_the_file_does(
    tiny_bundle: Path, scene: Path, tmp_path: Path
) -> None:
    bundle = load_bundle(tiny_bundle)
    with Library.open(tmp_path / "library", bundle=bundle, create=True) as library:
        library.index([scene])
        stored = library.moments(scene, "clicks", k=10)
        assert stored == library.moments(os.path.relpath(scene), "clicks", k=10)
    fresh = find_moments(bundle, scene, "clicks", k=10)
    for one, other in zip(stored, fresh, strict=True):
        assert one.score == pytest.approx(other.score, abs=2e-3)
        assert (one.start_s, one.end_s) == pytest.approx((other.start_s, other.end_s))


def test_a_changed_file_is_read_again(tiny_bundle: Path, scene: Path, tmp_path: Path) -> None:
    with Library.open(tmp_path / "library", bundle=tiny_bundle, create=True) as library:
        library.index([scene])
        soundfile.write(scene, np.tile(SOUNDS["noise"](), 2), SAMPLE_RATE)
        best = library.moments(scene, "noise", k=1)[0]
        assert best.score > 0.9


def test_a_short_file_is_one_moment(tiny_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, SOUNDS["high"]()[:800], SAMPLE_RATE)
    (moment,) = find_moments(load_bundle(tiny_bundle), path, "high")
    assert (moment.start_s, moment.end_s) == (0.0, pytest.approx(0.05))


def test_what_cannot_be_answered(tiny_bundle: Path, scene: Path, tmp_path: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    for text, k in (("", 5), ("  ", 5), ("clicks", 0), ("x" * 3000, 5)):
        with pytest.raises(QueryError):
            find_moments(bundle, scene, text, k=k)
    with pytest.raises(AudioError, match="no such file"):
        find_moments(bundle, tmp_path / "absent.wav", "clicks")
    empty = tmp_path / "empty.wav"
    soundfile.write(empty, np.zeros(0, np.float32), SAMPLE_RATE)
    with pytest.raises(AudioError, match=r"empty\.wav"):
        find_moments(bundle, empty, "clicks")


@pytest.mark.parametrize(
    ("scores", "k", "expected"),
    [
        ([0.5], 3, [(0, 0, 0)]),
        ([0.1, 0.1, 0.9, 0.8, 0.1, 0.1], 1, [(2, 2, 3)]),  # one event over two windows
        ([0.1, 0.9, 0.1, 0.1, 0.7, 0.1], 2, [(1, 1, 1), (4, 4, 4)]),
        ([0.3, 0.3, 0.3], 9, [(0, 0, 0), (1, 1, 1), (2, 2, 2)]),  # nothing stands out
    ],
)
def test_parts(scores: list[float], k: int, expected: list[tuple[int, int, int]]) -> None:
    assert parts_above(np.array(scores, np.float32), k) == expected


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40), st.integers(1, 45))
def test_parts_are_apart_and_ordered(values: list[float], k: int) -> None:
    scores = np.array(values, dtype=np.float32)
    parts = parts_above(scores, k)
    covered = [window for _, first, last in parts for window in range(first, last + 1)]
    assert len(covered) == len(set(covered))
    assert all(first <= peak <= last for peak, first, last in parts)
    assert all(scores[peak] == scores[first : last + 1].max() for peak, first, last in parts)
    peaks = [float(scores[peak]) for peak, _, _ in parts]
    assert peaks == sorted(peaks, reverse=True)
    assert len(parts) == k or len(covered) == len(scores)
    assert parts[0][0] == int(scores.argmax())
