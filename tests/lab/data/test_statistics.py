from __future__ import annotations

import pytest

from soundseek.lab.data.statistics import duration_quantiles, statistics, summary
from support.corpora import make_clip

pytestmark = pytest.mark.lab

CLIPS = [
    make_clip("a", "A dog barks.", "a dog", duration_s=1800.0, group="g"),
    make_clip("b", "A DOG BARKS", duration_s=5400.0, split="test", group="g"),
    make_clip("c", duration_s=0.0, licence="CC BY", has_audio=False),
]


def test_all_together() -> None:
    figures = summary(CLIPS)
    assert (figures.clips, figures.with_audio, figures.groups) == (3, 2, 2)
    assert figures.hours == 2.0
    assert (figures.captions, figures.distinct_captions) == (3, 2)
    assert (figures.words, figures.vocabulary) == (8, 3)
    assert figures.words_per_caption == pytest.approx(8 / 3)
    assert figures.captions_per_clip == (0, 2)


def test_quantiles_leave_out_unknown_durations() -> None:
    quantiles = duration_quantiles(CLIPS)
    assert (quantiles["0"], quantiles["0.5"], quantiles["1"]) == (1800.0, 3600.0, 5400.0)
    assert duration_quantiles([CLIPS[2]]) == {}


def test_by_split_source_and_licence() -> None:
    document = statistics(CLIPS)
    assert {name: part["clips"] for name, part in document["split"].items()} == {
        "test": 1,
        "train": 2,
    }
    assert document["licence"]["CC BY"]["clips"] == 1
    assert document["source"]["made"] == document["all"]


def test_nothing_at_all() -> None:
    assert summary([]).words_per_caption == 0.0
    assert statistics([])["split"] == {}
