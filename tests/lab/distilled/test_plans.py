from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from soundseek.lab.distilled.plans import Captioned, Plan, Planner
from soundseek.lab.distilled.recipe import AugmentSection

pytestmark = pytest.mark.lab

WINDOW = 4000
BANDS = 64
LENGTHS = np.array([WINDOW // 2, 0, WINDOW, 5 * WINDOW, 3 * WINDOW, 1])
GROUPS = (7, 8, 3, 3, 9, 4)
# Clip k has the caption in row 10 k, clip 3 a second one; clip 4 has none.
CAPTIONED = Captioned.of([[0], [10], [20], [30, 31], [], [50]], GROUPS)
ALL = AugmentSection(
    speed=1.3, tilt_db=6.0, equaliser=0.4, low_pass=0.3, room=0.3, noise=0.3, gain_db=9.0
)


def planner(augment: AugmentSection = ALL, seed: int = 5) -> Planner:
    return Planner(LENGTHS, CAPTIONED, augment, window_samples=WINDOW, bands=BANDS, seed=seed)


def arrays(plan: Plan) -> list[Any]:
    own = [getattr(plan, field.name) for field in fields(plan) if field.name != "parts"]
    return own + [getattr(plan.parts, field.name) for field in fields(plan.parts)]


def same(first: Plan, second: Plan) -> bool:
    pairs = zip(arrays(first), arrays(second), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_a_plan_depends_on_seed_and_step_alone() -> None:
    one = planner()
    first = one.draw(4, 12)
    assert same(first, planner().draw(4, 12))
    assert not same(first, one.draw(5, 12))
    assert same(first, one.draw(4, 12))
    assert not same(first, planner(seed=6).draw(4, 12))


@given(
    seed=st.integers(0, 1000),
    mixed=st.floats(0, 0.5),
    collage=st.floats(0, 0.5),
    speed=st.floats(1, 2),
)
def test_every_cut_lies_within_its_clip_and_its_window(
    seed: int, mixed: float, collage: float, speed: float
) -> None:
    augment = AugmentSection(mixed=mixed, collage=collage, speed=speed)
    plan = planner(augment, seed).draw(0, 40)
    parts = plan.parts
    assert (parts.samples > 0).all()
    assert (parts.onset >= 0).all()
    assert (parts.onset + parts.samples <= WINDOW).all()
    assert (parts.start >= 0).all()
    # Interpolation may look at the last sample of a clip, and stays there.
    assert (parts.start + np.floor((parts.samples - 1) * parts.speed) < LENGTHS[parts.clip]).all()
    assert set(parts.window.tolist()) == set(range(40))
    assert ((plan.ends > 0) & (plan.ends <= WINDOW)).all()


def test_clips_without_samples_are_never_drawn_and_longer_ones_more_often() -> None:
    clips = planner(AugmentSection(mixed=0, collage=0)).draw(0, 20_000).parts.clip
    counts = np.bincount(clips, minlength=6) / len(clips)
    shares = np.minimum(LENGTHS, 3 * WINDOW) + WINDOW / 2
    shares[1] = 0
    np.testing.assert_allclose(counts, shares / shares.sum(), rtol=0, atol=0.02)


def test_solo_windows_start_with_their_clip_and_end_with_it() -> None:
    plan = planner(AugmentSection(mixed=0, collage=0)).draw(0, 200)
    parts = plan.parts
    assert parts.window.tolist() == list(range(200))
    assert not parts.onset.any()
    assert not parts.level_db.any()
    assert np.array_equal(plan.ends, parts.samples)
    assert (plan.ends[LENGTHS[parts.clip] >= WINDOW + 2] == WINDOW).all()


def test_mixed_windows_hold_two_cuts_the_second_within_the_first() -> None:
    plan = planner(AugmentSection(mixed=1, collage=0, balance_db=6.0)).draw(0, 200)
    parts = plan.parts
    counts = np.bincount(parts.window)
    assert (counts == 2).all()
    second = np.arange(len(parts.window)) % 2 == 1
    assert (parts.onset[second] <= parts.samples[~second]).all()
    assert (np.abs(parts.level_db[second]) <= 6.0).all()
    assert parts.level_db[second].std() > 1.0


def test_collages_are_full_windows_without_captions() -> None:
    plan = planner(AugmentSection(mixed=0, collage=1)).draw(0, 100)
    assert (plan.ends == WINDOW).all()
    assert not len(plan.captioned)
    assert plan.rows.shape == plan.groups.shape == (0, 2)
    counts = np.bincount(plan.parts.window)
    assert counts.max() == 4


def test_captions_and_groups_are_those_of_the_clips() -> None:
    plan = planner(AugmentSection(mixed=0.5, collage=0)).draw(3, 400)
    own = {0: {0}, 2: {20}, 3: {30, 31}, 5: {50}}
    seen = set()
    for window, rows, groups in zip(plan.captioned, plan.rows, plan.groups, strict=True):
        clips = plan.parts.clip[plan.parts.window == window].tolist()
        assert 4 not in clips, "clip 4 has no caption"
        assert rows[0] in own[clips[0]]
        if len(clips) == 1:
            assert rows[1] == -1
        else:
            assert rows[1] in own[clips[1]]
        expected = sorted({GROUPS[clip] for clip in clips})
        assert groups.tolist() == ([-1, *expected] if len(expected) == 1 else expected)
        seen |= set(rows.tolist())
    assert seen == {-1, 0, 20, 30, 31, 50}
    heard = {w for w in range(400) if 4 in plan.parts.clip[plan.parts.window == w]}
    assert heard
    assert heard == set(range(400)) - set(plan.captioned.tolist())


def test_what_is_left_out_changes_nothing() -> None:
    plan = planner(AugmentSection(gain_db=0, natural_level=1)).draw(0, 50)
    assert not plan.gain_db.any()
    assert not plan.tilt_db.any()
    assert not plan.curve_db.any()
    assert not plan.room_s.any()
    assert np.isinf(plan.noise_db).all()
    assert (plan.cut_band == BANDS).all()


def test_shares_of_changes_are_as_asked() -> None:
    plan = planner().draw(0, 4000)
    for share, asked in (
        ((plan.curve_db != 0).any(1).mean(), 0.4),
        ((plan.cut_band < BANDS).mean(), 0.3),
        ((plan.room_s > 0).mean(), 0.3),
        (np.isfinite(plan.noise_db).mean(), 0.3),
        (plan.natural.mean(), 0.5),
    ):
        assert abs(share - asked) < 0.03


def test_shares_of_more_than_all_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 1 together"):
        AugmentSection(mixed=0.7, collage=0.4)
