from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.lab.retrieval.imagined import ImaginedSounds, imagined_teacher, with_long_captions

pytestmark = pytest.mark.lab


def test_sounds_are_as_long_as_they_may_be_or_as_the_clips() -> None:
    sounds = ImaginedSounds([50, 900, 0], 100, 300)
    assert [sounds.length(i) for i in range(3)] == [300, 300, 300]
    assert [len(sounds.read(i)) for i in range(3)] == [300, 300, 300]
    sounds.longest = False
    assert [len(sounds.read(i)) for i in range(3)] == [50, 300, 1]
    assert len(sounds.read(1, 20, 100)) == 100
    assert not np.array_equal(sounds.read(0), sounds.read(1)[:50])
    assert np.array_equal(sounds.read(1), sounds.read(1))


def test_some_sounds_range_from_the_shortest_to_the_longest() -> None:
    sounds = ImaginedSounds(list(range(1, 101)), 10, 1_000, longest=False)
    some = sounds.some(5)
    lengths = [some.length(i) for i in range(len(some))]
    assert (len(lengths), lengths[0], lengths[-1]) == (5, 1, 100)
    assert len(sounds.some(500)) == 100


def test_captions_are_as_long_as_the_longest_and_stay_apart(make_clip: Callable[..., Any]) -> None:
    clips = [make_clip("a", ["rain", "a dog barks twice"]), make_clip("b", ["some wind"])]
    longer = with_long_captions(clips)
    texts = [text for clip in longer for text in clip.captions]
    assert {len(text.split()) for text in texts} == {4}
    assert len(set(texts)) == 3
    assert [clip.id for clip in longer] == ["a", "b"]


def test_a_teacher_knows_every_caption(make_clip: Callable[..., Any]) -> None:
    teacher = imagined_teacher([make_clip("a", ["x", "y"]), make_clip("b", ["z"])])
    assert teacher.audio.shape[0] == 2
    assert teacher.text.shape[0] == 3
    assert teacher.starts.tolist() == [0, 2]
