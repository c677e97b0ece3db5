from __future__ import annotations

import numpy as np
import pytest

from soundseek.errors import DataError
from soundseek.lab.ensembling.folds import out_of_fold
from soundseek.lab.evaluate import plain
from soundseek.lab.similarities import Similarities
from soundseek.metrics.retrieval import average_precision_at, relevant_positions
from support.similarities import made


def fold(names: str, seed: int) -> Similarities:
    scores = np.random.default_rng(seed).standard_normal((2 * len(names), len(names)))
    return made(scores, names=list(names))


def test_every_query_counts_once_among_the_clips_of_its_fold() -> None:
    folds = {"one": fold("abc", 1), "two": fold("defgh", 2)}
    told = out_of_fold(folds)
    assert (told["n"], told["clips"]) == (16, 8)
    earned = [
        average_precision_at(relevant_positions(one.scores, one.relevant), 10)
        for one in folds.values()
    ]
    assert told["metrics"]["mAP@10"]["value"] == pytest.approx(
        float(np.concatenate(earned).mean()), abs=1e-5
    )
    for part, (name, one) in zip(told["folds"], folds.items(), strict=True):
        assert part["path"] == name
        assert part["metrics"] == plain(one.metrics())


def test_folds_that_are_none() -> None:
    with pytest.raises(DataError, match="two folds or more, and 1"):
        out_of_fold({"one": fold("abc", 1)})
    with pytest.raises(DataError, match=r"c is a validation clip of one and of two\n.*data.fold"):
        out_of_fold({"one": fold("abc", 1), "two": fold("cde", 2)})
