from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.lab.data.folds import fold_of, together
from soundseek.lab.data.manifest import Clip


def clip(number: int, group: str, freesound: str | None, youtube: str | None) -> Clip:
    return Clip(
        id=f"clip-{number}",
        path=f"{number}.wav",
        duration_s=1.0,
        captions=("a sound",),
        source="test",
        split="train",
        licence="CC0",
        group=group,
        freesound_id=freesound,
        youtube_id=youtube,
    )


def ids(prefix: str) -> st.SearchStrategy[str | None]:
    return st.none() | st.integers(0, 15).map(lambda i: f"{prefix}{i}")


@st.composite
def corpora(draw: st.DrawFn) -> list[Clip]:
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 30).map(str), ids("f"), ids("y")), min_size=2, max_size=40
        )
    )
    return [clip(number, *row) for number, row in enumerate(rows)]


def naive_sets(clips: list[Clip]) -> set[frozenset[str]]:
    sets = [{c.id} for c in clips]
    by_id = {c.id: c for c in clips}

    def meet(one: Clip, other: Clip) -> bool:
        return (
            one.group == other.group
            or (one.freesound_id is not None and one.freesound_id == other.freesound_id)
            or (one.youtube_id is not None and one.youtube_id == other.youtube_id)
        )

    merged = True
    while merged:
        merged = False
        for i, one in enumerate(sets):
            for other in sets[i + 1 :]:
                if any(meet(by_id[a], by_id[b]) for a in one for b in other):
                    one |= other
                    sets.remove(other)
                    merged = True
                    break
            if merged:
                break
    return {frozenset(one) for one in sets}


@given(clips=corpora())
def test_what_belongs_together(clips: list[Clip]) -> None:
    found = {frozenset(clips[i].id for i in members) for members in together(clips)}
    assert found == naive_sets(clips)


@given(clips=corpora(), data=st.data())
def test_folds_keep_together_are_even_and_know_no_order(clips: list[Clip], data: Any) -> None:
    sets = together(clips)
    folds = data.draw(st.integers(1, len(sets)))
    found = fold_of(clips, folds)
    assert found.shape == (len(clips),)
    for members in sets:
        assert len({int(found[i]) for i in members}) == 1
    sizes = np.bincount(found, minlength=folds)
    assert len(sizes) == folds
    assert sizes.min() > 0
    assert sizes.max() - sizes.min() <= max(map(len, sets))
    order = data.draw(st.permutations(range(len(clips))))
    again = fold_of([clips[i] for i in order], folds)
    assert np.array_equal(again, found[list(order)])


def test_more_folds_than_can_be() -> None:
    clips = [clip(0, "a", "1", None), clip(1, "b", "1", None), clip(2, "c", None, "y")]
    assert len(set(fold_of(clips, 2).tolist())) == 2
    with pytest.raises(DataError, match=r"3 folds: they make 2 sets.*\n.*to 2 or fewer"):
        fold_of(clips, 3)


def test_the_draw_is_not_the_order_of_names() -> None:
    clips = [clip(i, f"g{i:03}", None, None) for i in range(100)]
    found = fold_of(clips, 5)
    assert np.bincount(found).tolist() == [20] * 5
    assert not np.array_equal(found, np.arange(100) % 5)
