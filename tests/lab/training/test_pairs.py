from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.lab.training.pairs import Pair, PairOrder, group_ids

pytestmark = pytest.mark.lab

MakeClip = Callable[..., Any]


def order(make_clip: MakeClip, counts: list[int], *, each: bool, batch: int, seed: int = 0) -> Any:
    clips = [make_clip(f"c{i}", [f"{i}.{k}" for k in range(n)]) for i, n in enumerate(counts)]
    return PairOrder(clips, each=each, batch=batch, seed=seed)


@given(
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=12),
    each=st.booleans(),
    batch=st.integers(2, 9),
    epoch=st.integers(0, 5),
)
def test_an_epoch(
    make_clip: MakeClip, counts: list[int], each: bool, batch: int, epoch: int
) -> None:
    made = order(make_clip, counts, each=each, batch=batch)
    batches = made.epoch(epoch)
    items = sum(counts) if each else len(counts)
    assert len(batches) == made.batches == max(1, items // batch)
    sizes = {len(pairs) for pairs in batches}
    assert sizes == {min(batch, items)}
    pairs = [pair for some in batches for pair in some]
    assert [pair.number for pair in pairs] == list(range(len(pairs)))
    assert all(pair.caption < counts[pair.clip] for pair in pairs)
    if each:
        assert max(Counter((pair.clip, pair.caption) for pair in pairs).values()) == 1
    else:
        assert max(Counter(pair.clip for pair in pairs).values()) == 1
    assert order(make_clip, counts, each=each, batch=batch).epoch(epoch) == batches


def test_epochs_and_seeds_differ(make_clip: MakeClip) -> None:
    made = order(make_clip, [3] * 8, each=True, batch=4)
    assert made.epoch(0) != made.epoch(1)
    assert made.epoch(0) != order(make_clip, [3] * 8, each=True, batch=4, seed=1).epoch(0)


def test_every_caption_of_every_clip_comes_in_an_epoch(make_clip: MakeClip) -> None:
    made = order(make_clip, [2, 3, 1], each=True, batch=3)
    seen = {(pair.clip, pair.caption) for some in made.epoch(0) for pair in some}
    assert seen == {(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 0)}


def test_one_caption_of_each_clip_is_drawn_anew(make_clip: MakeClip) -> None:
    made = order(make_clip, [5] * 4, each=False, batch=4)
    drawn = [
        {pair.clip: pair.caption for some in made.epoch(epoch) for pair in some}
        for epoch in range(40)
    ]
    for clip in range(4):
        assert {one[clip] for one in drawn} == set(range(5))


def test_what_does_not_fill_a_batch_is_left_out(make_clip: MakeClip) -> None:
    made = order(make_clip, [1] * 11, each=True, batch=4)
    left = [{pair.clip for some in made.epoch(e) for pair in some} for e in range(30)]
    assert all(len(one) == 8 for one in left)
    assert set.union(*left) == set(range(11))


def test_fewer_items_than_a_batch_are_one_batch(make_clip: MakeClip) -> None:
    made = order(make_clip, [1, 2], each=True, batch=32)
    assert made.batches == 1
    (pairs,) = made.epoch(0)
    assert {(pair.clip, pair.caption) for pair in pairs} == {(0, 0), (1, 0), (1, 1)}
    assert isinstance(pairs[0], Pair)


def test_clips_of_one_group_share_a_number(make_clip: MakeClip) -> None:
    clips = [make_clip(name, group=group) for name, group in zip("abcd", "xyxz", strict=True)]
    numbers = group_ids(clips)
    assert numbers.dtype == "int64"
    assert numbers[0] == numbers[2]
    assert len(set(numbers.tolist())) == 3


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(2, 60),
    batch=st.integers(2, 9),
    bucket=st.integers(2, 5),
    seed=st.integers(0, 3),
)
def test_buckets_hold_the_same_items_and_close_lengths(
    make_clip: MakeClip, n: int, batch: int, bucket: int, seed: int
) -> None:
    """Of so many batches in a row, no clip of one is between two of another in length."""
    clips = [make_clip(f"c{i}", duration_s=1.0 + (i * 37 % 101)) for i in range(n)]
    made = PairOrder(clips, each=True, batch=batch, seed=seed, bucket=bucket)
    plain = PairOrder(clips, each=True, batch=batch, seed=seed)
    epoch = made.epoch(2)
    assert [len(some) for some in epoch] == [len(some) for some in plain.epoch(2)]
    items = [pair for some in epoch for pair in some]
    assert len({pair.clip for pair in items}) == len(items)
    assert sorted(items, key=lambda pair: pair.number) == [
        p for some in plain.epoch(2) for p in some
    ]
    for start in range(0, len(epoch), bucket):
        lengths = sorted(
            sorted(clips[pair.clip].duration_s for pair in some)
            for some in epoch[start : start + bucket]
        )
        joined = [length for some in lengths for length in some]
        assert joined == sorted(joined)
    again = PairOrder(clips, each=True, batch=batch, seed=seed, bucket=bucket)
    assert again.epoch(2) == epoch


def test_batches_of_a_bucket_come_in_any_order(make_clip: MakeClip) -> None:
    clips = [make_clip(f"c{i}", duration_s=1.0 + i) for i in range(40)]
    made = PairOrder(clips, each=True, batch=4, seed=0, bucket=10)
    firsts = {min(pair.clip for pair in made.epoch(epoch)[0]) for epoch in range(12)}
    assert len(firsts) > 3


def test_a_bucket_may_go_by_the_captions(make_clip: MakeClip) -> None:
    """Of a clip with captions of several lengths, each goes with its like."""
    clips = [make_clip(f"c{i}", ["x" * (1 + i), "y" * (60 - i)]) for i in range(30)]
    made = PairOrder(clips, each=True, batch=6, seed=0, bucket=10, long="caption")
    for some in made.epoch(1):
        lengths = [len(clips[pair.clip].captions[pair.caption]) for pair in some]
        assert max(lengths) - min(lengths) <= 6
    (plain,) = PairOrder(clips, each=True, batch=60, seed=0).epoch(1)
    assert {(p.clip, p.caption) for some in made.epoch(1) for p in some} == {
        (p.clip, p.caption) for p in plain
    }
