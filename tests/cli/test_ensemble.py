from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from support.command_line import succeeded, typed
from support.similarities import noisy


@pytest.fixture(autouse=True)
def members(home: Path) -> None:
    """Three runs in the current folder: a, b, and c without embeddings."""
    for seed, name in enumerate("abc"):
        for part in ("test", "validation"):
            noisy(seed).save(home / name / "similarities" / part)
    (home / "c" / "similarities" / "test" / "audio.npy").unlink()


def test_people_see_members_and_the_whole() -> None:
    shown = succeeded("ensemble", "a", "b", "--out", "ab", "--weights", "3,1")
    assert "2 members, test: 12 clips, 24 queries" in shown
    assert "0.750  a" in shown
    assert "together, by similarities (raw)" in shown
    assert "mAP@10" in shown
    assert Path("ab/similarities/test/scores.npy").is_file()


def test_programs_get_one_object() -> None:
    result = typed(
        "ensemble", "a", "b", "c", "--out", "o", "--scale", "query-zscore", "--select", "greedy",
        "--figure", "R@5", "--once", "--json",
    )  # fmt: skip
    told = json.loads(result.stdout)
    assert told["scale"] == "query_zscore"
    assert told["selection"]["figure"] == "R@5"
    assert len(told["members"]) == 3
    assert "selecting among 3 members" in result.stderr


def test_by_embeddings_both_ways_are_printed() -> None:
    shown = succeeded("ensemble", "a", "b", "--out", "ab", "--by", "embeddings")
    assert "together, by embeddings (of length 1)" in shown
    assert "the same members by similarities (raw)" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a"], "two members or more"),
        (["a", "./a"], "named twice"),
        (["a", "b", "--weights", "1;2"], "no list of numbers such as 2,1,1"),
        (["a", "b", "--weights", "1"], "1 weights for 2 members"),
        (["a", "c", "--by", "embeddings"], "c has no embeddings"),
        (["a", "d"], "there is nothing at d"),
        (["a", "b", "--scale", "rang"], "--scale"),
    ],
)
def test_wrong_use(words: list[str], said: str) -> None:
    result = typed("ensemble", *words, "--out", "o")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not Path("o").exists()


def test_scores_that_are_nan_are_named() -> None:
    path = Path("b/similarities/test/scores.npy")
    scores = np.load(path)
    scores[3, 2] = np.nan
    np.save(path, scores)
    result = typed("ensemble", "a", "b", "--out", "o")
    assert result.exit_code == 2
    assert "b: the score of 'q3' and c2 is nan" in result.stderr
