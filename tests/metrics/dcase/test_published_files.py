"""The official figures, from the files as published.

SOUNDSEEK_DATA names a folder with text/ (captions of Clotho), SOUNDSEEK_REFERENCE one with dcase/
(answers of the baseline of 2022, relevant files of 2025).
"""

from __future__ import annotations

import ast
import csv
import html
import os
from pathlib import Path

import numpy as np
import pytest

from soundseek.metrics.dcase import (
    Truth,
    evaluated,
    match,
    read_predictions,
    read_truth,
    write_scores,
)


def published(variable: str, name: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set: no published files to read")
    return Path(os.environ[variable]) / name


@pytest.fixture(scope="module")
def clotho() -> Truth:
    return read_truth(published("SOUNDSEEK_DATA", "text/clotho_captions_evaluation.csv"))


@pytest.fixture(scope="module")
def relevant_path() -> Path:
    return published("SOUNDSEEK_REFERENCE", "dcase/dcase2025_relevant_files.csv")


def test_the_baseline_of_2022(clotho: Truth) -> None:
    answers = published("SOUNDSEEK_REFERENCE", "dcase/dcase2022_baseline_output.csv")
    system = match(clotho, read_predictions(answers))
    found = evaluated(system.text_to_audio(), system.depth)
    assert found.n == 5225
    assert {name: round(metric.value, 4) for name, metric in found.metrics.items()} == {
        "R@1": 0.0316,
        "R@5": 0.1095,
        "R@10": 0.1883,
        "mAP@10": 0.0679,
    }


def test_clotho_has_no_text_twice_and_names_with_entities(clotho: Truth) -> None:
    assert len(set(clotho.queries)) == len(clotho.queries) == 5225
    assert len(clotho.files) == 1045
    assert "Scops owl's call in night silence.wav" in clotho.files


def test_the_files_of_2025_against_a_naive_oracle(
    clotho: Truth, relevant_path: Path, tmp_path: Path
) -> None:
    truth = read_truth(relevant_path)
    assert (len(truth.queries), len(truth.files)) == (1037, 1006)
    with relevant_path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    relevant = [{html.unescape(name) for name in ast.literal_eval(cell)} for _, cell in rows]
    scores = np.random.default_rng(0).standard_normal((1037, 1045)).astype(np.float32)
    for row, wanted in zip(scores, relevant, strict=True):
        row[[clotho.files.index(name) for name in wanted]] += 2.0
    write_scores(tmp_path / "scores.csv", truth.queries, clotho.files, scores)
    system = match(truth, read_predictions(tmp_path / "scores.csv"))
    found = evaluated(system.text_to_audio(), system.depth)
    for k in (10, 16):
        expected = [
            naive_ap(row, clotho.files, wanted, k)
            for row, wanted in zip(scores, relevant, strict=True)
        ]
        assert found.values[f"mAP@{k}"] == pytest.approx(expected)
    assert 0.05 < found.metrics["mAP@16"].value < 0.5


def naive_ap(row: np.ndarray, files: list[str], wanted: set[str], k: int) -> float:
    """Sorted ranks r_i from 0 of the relevant: Σ over r_i < k of i / (r_i + 1), over all."""
    ranking = [files[i] for i in np.argsort(-row, kind="stable")]
    ranks = sorted(ranking.index(name) for name in wanted)
    return sum(i / (r + 1) for i, r in enumerate(ranks, 1) if r < k) / len(wanted)
