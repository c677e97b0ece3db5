from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.audio.frontends import PRESETS, n_frames
from soundseek.lab.augment.mixing import MixingRange
from soundseek.lab.distilled.items import Captions, ItemMaker, Items

pytestmark = pytest.mark.lab

SPEC = PRESETS["yamnet_16k"]
WINDOW = 20 * SPEC.hop_samples + SPEC.window_samples - SPEC.hop_samples
# Clip k is a tone of (k + 1) kHz, so that a window tells of which clips it is made.
LENGTHS = (WINDOW // 2, 0, WINDOW, 5 * WINDOW, 3 * WINDOW)
GROUPS = (7, 8, 3, 3, 9)
PLAIN = MixingRange(probability=0.0, gain_db=0.0)

Make = Callable[..., ItemMaker]


@pytest.fixture
def maker(make_store: Callable[[Sequence[np.ndarray]], Any]) -> Make:
    def make(
        ranges: MixingRange = PLAIN,
        *,
        collage: float = 0.0,
        seed: int = 5,
        silent_captions: tuple[int, ...] = (),
    ) -> ItemMaker:
        tones = [
            0.5 * np.cos(2 * np.pi * 1000 * (k + 1) * np.arange(n) / 16_000)
            for k, n in enumerate(LENGTHS)
        ]
        texts = [() if k in silent_captions else (f"clip {k}",) for k in range(len(LENGTHS))]
        return ItemMaker(
            make_store(tones),
            Captions(texts, GROUPS),
            ranges,
            SPEC,
            window_samples=WINDOW,
            collage=collage,
            seed=seed,
        )

    return make


def heard(waveform: np.ndarray) -> set[int]:
    """The clips in a window, by their tones."""
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), 16_000))
    peaks = [spectrum[1000 * (k + 1) - 60 : 1000 * (k + 1) + 60].max() for k in range(5)]
    return {k for k, peak in enumerate(peaks) if peak > 0.1 * max(peaks)}


def same(first: Items, second: Items) -> bool:
    return (
        np.array_equal(first.waveforms, second.waveforms)
        and np.array_equal(first.tilts_db, second.tilts_db)
        and first.captions == second.captions
    )


def test_a_step_depends_on_seed_and_step_alone(maker: Make) -> None:
    ranges = MixingRange(speed=1.2, tilt_db=6.0)
    one = maker(ranges, collage=0.5)
    first, later = one.make(4, 12), one.make(5, 12)
    assert same(first, maker(ranges, collage=0.5).make(4, 12))
    assert same(first, one.make(4, 12))
    assert not same(first, later)
    assert not same(first, maker(ranges, collage=0.5, seed=6).make(4, 12))


def test_every_window_comes_with_the_caption_and_group_of_its_clip(maker: Make) -> None:
    items = maker().make(0, 60)
    assert items.captioned.tolist() == list(range(60))
    for wave, caption, groups in zip(items.waveforms, items.captions, items.groups, strict=True):
        clip = int(caption.removeprefix("clip "))
        assert heard(wave) == {clip}
        assert groups.tolist() == [-1, GROUPS[clip]]


def test_a_mixture_is_of_the_two_clips_that_its_caption_names(maker: Make) -> None:
    ranges = MixingRange(probability=1.0, balance_db=3.0, gain_db=0.0)
    items = maker(ranges).make(0, 60)
    pairs = set()
    for wave, caption, groups in zip(items.waveforms, items.captions, items.groups, strict=True):
        clips = {int(word.strip(",")) for word in caption.split() if word.strip(",").isdigit()}
        pairs.add(frozenset(clips))
        assert heard(wave) == clips
        expected = sorted({GROUPS[clip] for clip in clips})
        assert groups.tolist() == ([-1, *expected] if len(expected) == 1 else expected)
    assert frozenset({2, 3}) in pairs  # two clips of one group
    assert any(len({GROUPS[clip] for clip in pair}) == 2 for pair in pairs)


def test_clips_that_could_not_be_decoded_are_never_drawn(maker: Make) -> None:
    items = maker().make(1, 400)
    assert set(items.captions) == {"clip 0", "clip 2", "clip 3", "clip 4"}


def test_longer_clips_are_drawn_more_often_up_to_three_windows(maker: Make) -> None:
    drawn = maker().make(2, 4000).captions
    counts = np.array([drawn.count(f"clip {k}") for k in (0, 2, 3, 4)]) / len(drawn)
    shares = np.array([0.5, 1.0, 3.0, 3.0]) + 0.5
    np.testing.assert_allclose(counts, shares / shares.sum(), rtol=0, atol=0.03)


def test_a_short_clip_starts_with_its_window_and_its_length_tells_where_it_ends(
    maker: Make,
) -> None:
    items = maker().make(0, 60)
    short = [i for i, caption in enumerate(items.captions) if caption == "clip 0"]
    assert short
    n = LENGTHS[0]
    for i in short:
        assert items.waveforms[i, 0] == pytest.approx(0.5, abs=1e-4)
        assert not items.waveforms[i, n:].any()
        assert items.lengths[i] == n_frames(n, SPEC)
    others = np.setdiff1d(np.arange(60), short)
    assert (items.lengths[others] == 20).all()


def test_a_clip_without_captions_is_heard_but_not_captioned(maker: Make) -> None:
    items = maker(silent_captions=(3,)).make(0, 60)
    uncaptioned = np.setdiff1d(np.arange(60), items.captioned)
    assert uncaptioned.size
    assert all(heard(items.waveforms[i]) == {3} for i in uncaptioned)
    assert len(items.captions) == len(items.groups) == len(items.captioned)
    assert "clip 3" not in items.captions


def test_collages_are_full_windows_without_captions(maker: Make) -> None:
    items = maker(MixingRange(tilt_db=5.0), collage=1.0).make(0, 30)
    assert items.captioned.size == 0
    assert items.captions == []
    assert items.groups.shape == (0, 2)
    assert (items.lengths == 20).all()
    assert np.abs(items.waveforms).max() <= 0.99 + 1e-6
    assert (np.abs(items.waveforms).max(axis=1) > 0).all()
    assert np.isfinite(items.waveforms).all()
    assert max(len(heard(wave)) for wave in items.waveforms) >= 2


def test_lengths_levels_and_tilts_stay_in_their_ranges(maker: Make) -> None:
    ranges = MixingRange(speed=1.3, tilt_db=6.0, gain_db=20.0)
    items = maker(ranges, collage=0.3).make(0, 200)
    assert items.waveforms.shape == (200, WINDOW)
    assert items.waveforms.dtype == np.float32
    assert items.lengths.min() >= 1
    assert items.lengths.max() == n_frames(WINDOW, SPEC) == 20
    assert np.abs(items.tilts_db).max() <= 6.0
    assert np.unique(items.tilts_db).size == 200
    assert np.abs(items.waveforms).max() <= 0.99 + 1e-6
