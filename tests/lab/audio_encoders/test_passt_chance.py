from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.audio.frontends import PRESETS
from soundseek.errors import DataError
from soundseek.lab.audio_encoders.passt_chance import (
    apply_patchout,
    draw_jittered,
    draw_patchout,
)

pytestmark = pytest.mark.lab


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(1, 12), st.integers(0, 2**31), st.data())
def test_what_is_kept(columns: int, rows: int, seed: int, data: st.DataObject) -> None:
    time = data.draw(st.integers(0, columns - 1))
    frequency = data.draw(st.integers(0, rows - 1))
    left = (columns - time) * (rows - frequency)
    tokens = data.draw(st.integers(0, left - 1))
    kept = draw_patchout(
        columns, rows, time=time, frequency=frequency, tokens=tokens, generator=generator(seed)
    )
    for part, of, dropped in zip(
        kept, (columns, rows, left), (time, frequency, tokens), strict=True
    ):
        assert len(set(part.tolist())) == of - dropped
        assert part.tolist() == sorted(part.tolist())
        assert set(part.tolist()) <= set(range(of))
    grid = torch.arange(2 * rows * columns).view(2, rows, columns)
    naive = [
        [[int(grid[item, row, column]) for row in kept.rows for column in kept.columns][token]
         for token in kept.tokens]
        for item in range(2)
    ]  # fmt: skip
    assert apply_patchout(grid, kept).tolist() == naive


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    def draw(seed: int) -> list[int]:
        kept = draw_patchout(60, 8, time=15, frequency=2, tokens=0, generator=generator(seed))
        return kept.columns.tolist() + kept.rows.tolist()

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_torchs_generator_serves_where_none_is_given() -> None:
    drawn = []
    for _ in range(2):
        torch.manual_seed(5)
        drawn.append(draw_patchout(60, 8, time=15, frequency=2, tokens=0).columns.tolist())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("time", "frequency", "tokens"), [(6, 0, 0), (0, 4, 0), (0, 0, 24), (3, 2, 6)]
)
def test_something_must_be_left(time: int, frequency: int, tokens: int) -> None:
    with pytest.raises(DataError, match="leaves nothing of 6 columns by 4 rows"):
        draw_patchout(6, 4, time=time, frequency=frequency, tokens=tokens)


def test_the_bands_move_within_their_ranges() -> None:
    chance = generator(0)
    drawn = [draw_jittered(PRESETS["passt_32k"], chance) for _ in range(400)]
    assert {spec.f_min for spec in drawn} == set(range(10))
    assert min(spec.f_max for spec in drawn) > 14_000
    assert max(spec.f_max for spec in drawn) <= 16_000
    assert max(spec.f_max for spec in drawn) - min(spec.f_max for spec in drawn) > 1_900
