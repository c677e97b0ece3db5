from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.audio.windows import Window, batched, iter_windows
from soundseek.errors import AudioError

RATE = 1000


def naive(sound: np.ndarray, window: int, hop: int) -> list[tuple[int, int, np.ndarray]]:
    """Every multiple of the hop in turn, with the whole sound at hand and one flag per sample."""
    covered = np.zeros(sound.size, bool)
    found = []
    for index in range(sound.size):
        piece = sound[index * hop : index * hop + window]
        alone = int((~covered[index * hop : index * hop + window]).sum())
        if piece.size == 0 or (found and alone < 0.1 * hop):
            break
        covered[index * hop : index * hop + window] = True
        found.append((index, piece.size, np.pad(piece, (0, window - piece.size))))
    return found


def split(sound: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(sound, sorted(cut % (sound.size + 1) for cut in cuts))


@settings(max_examples=300, deadline=None)
@given(
    n=st.integers(0, 400),
    window=st.integers(1, 90),
    hop_part=st.floats(0.01, 1.0),
    cuts=st.lists(st.integers(0, 1000), max_size=12),
)
def test_equals_the_naive_way_however_the_blocks_fall(
    n: int, window: int, hop_part: float, cuts: list[int]
) -> None:
    hop = max(1, round(window * hop_part))
    sound = np.arange(1, n + 1, dtype=np.float32)
    got = list(iter_windows(split(sound, cuts), RATE, window, hop))
    expected = naive(sound, window, hop)
    assert [(w.index, w.valid_samples) for w in got] == [(i, valid) for i, valid, _ in expected]
    for one, (index, valid, samples) in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one.samples, samples)
        assert one.samples.dtype == np.float32
        assert one.start_s == index * hop / RATE
        assert one.end_s == pytest.approx((index * hop + valid) / RATE)


@pytest.mark.parametrize(("n", "count"), [(100, 1), (109, 1), (110, 2), (199, 2), (209, 2)])
def test_a_tail_below_a_tenth_of_the_hop_is_left_out(n: int, count: int) -> None:
    assert len(list(iter_windows([np.ones(n, np.float32)], RATE, 100, 100))) == count


def test_a_single_sample_is_a_window_and_no_sound_is_none() -> None:
    (only,) = iter_windows([np.ones(1, np.float32)], RATE, 100, 50)
    assert only.valid_samples == 1
    assert only.samples.sum() == 1
    assert list(iter_windows([], RATE, 100, 50)) == []
    assert list(iter_windows([np.zeros(0, np.float32)], RATE, 100, 50)) == []


def test_windows_do_not_share_memory_with_the_blocks_or_each_other() -> None:
    block = np.ones(300, np.float32)
    first, second, *_ = iter_windows([block], RATE, 100, 50)
    first.samples[:] = 7
    assert block.max() == 1
    assert second.samples.max() == 1


def test_memory_does_not_grow_with_the_sound() -> None:
    def blocks(count: int) -> Iterator[np.ndarray]:
        for _ in range(count):
            yield np.zeros(10_000, np.float32)

    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in iter_windows(blocks(count), RATE, 20_000, 10_000):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(400) < 1.2 * peak(20)


@pytest.mark.parametrize(
    ("rate", "window", "hop"), [(0, 10, 5), (8, 10, 0), (8, 10, 11), (8, 0, 0)]
)
def test_impossible_windows_are_refused(rate: int, window: int, hop: int) -> None:
    with pytest.raises(AudioError, match="windows of"):
        list(iter_windows([np.ones(5, np.float32)], rate, window, hop))


def test_batched() -> None:
    windows = list(iter_windows([np.ones(500, np.float32)], RATE, 100, 100))
    sizes = [len(batch) for batch in batched(windows, 2)]
    assert sizes == [2, 2, 1]
    flat: list[Window] = [window for batch in batched(windows, 2) for window in batch]
    assert flat == windows
    assert list(batched([], 3)) == []
    with pytest.raises(AudioError, match="0 windows"):
        list(batched(windows, 0))
