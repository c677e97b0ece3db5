from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.lab.data.grouping import by_shared_captions, shared_captions
from soundseek.lab.data.manifest import Clip
from support.corpora import make_clip

pytestmark = pytest.mark.lab


def groups(*clips: Clip) -> list[str]:
    return [clip.group for clip in by_shared_captions(clips)]


def test_a_shared_text_makes_a_group_named_after_its_first_clip() -> None:
    assert groups(make_clip("a", "rain", "x"), make_clip("b", "y"), make_clip("c", "Rain.")) == [
        "a",
        "b",
        "a",
    ]


def test_splits_have_groups_of_their_own() -> None:
    assert groups(make_clip("a", "rain"), make_clip("b", "rain", split="test")) == ["a", "b"]


def test_joining_is_transitive_whatever_the_order() -> None:
    chain = [make_clip("c", "two"), make_clip("a", "one"), make_clip("b", "one", "two")]
    assert groups(*chain) == ["c", "c", "c"]


def test_empty_captions_join_nothing() -> None:
    assert groups(make_clip("a", "", "..."), make_clip("b", "", "...")) == ["a", "b"]


def test_a_text_repeated_by_one_clip_is_not_shared() -> None:
    assert shared_captions([make_clip("a", "rain", "Rain")]) == {}


@given(st.lists(st.tuples(st.sampled_from(["train", "test"]), st.sets(st.sampled_from("abcdef")))))
def test_against_repeated_painting(rows: list[tuple[str, set[str]]]) -> None:
    clips = [make_clip(str(n), *texts, split=split) for n, (split, texts) in enumerate(rows)]
    colours = list(range(len(rows)))
    for _ in rows:
        for i, (split, texts) in enumerate(rows):
            for j, (other_split, others) in enumerate(rows):
                if split == other_split and texts & others:
                    colours[i] = colours[j] = min(colours[i], colours[j])
    assert groups(*clips) == [str(colour) for colour in colours]
