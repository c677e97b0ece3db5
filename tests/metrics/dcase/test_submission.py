from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from soundseek.errors import DataError
from soundseek.metrics.dcase import (
    Ranked,
    Scored,
    read_predictions,
    submission_label,
    submission_names,
    write_ranked,
    write_scores,
)

QUERIES = ['a "loud" dog, barking', "rain\non a roof", "büz"]
FILES = [f"file, {i}.wav" for i in range(12)]


@pytest.mark.parametrize(
    ("year", "label"),
    [
        (2022, "Doe_XYZ_task6b_1"),
        (2023, "Doe_XYZ_task6b_1"),
        (2024, "Doe_XYZ_task8_1"),
        (2025, "Doe_XYZ_task6_1"),
    ],
)
def test_labels_and_names(year: int, label: str) -> None:
    assert submission_label("Doe", "XYZ", year, 1) == label
    assert submission_names(label) == (f"{label}.output.csv", f"{label}.meta.yaml")


@pytest.mark.parametrize(
    ("author", "institute", "year", "number", "words"),
    [
        ("de Vries", "XYZ", 2022, 1, "the author 'de Vries'"),
        ("Doe", "", 2022, 1, "the institute ''"),
        ("Doe", "X/Y", 2022, 1, "the institute 'X/Y'"),
        ("Müller", "XYZ", 2022, 1, "the author 'Müller'"),
        ("Doe", "XYZ", 2021, 1, "DCASE 2021"),
        ("Doe", "XYZ", 2022, 5, "submission 5"),
        ("Doe", "XYZ", 2022, 0, "submission 0"),
    ],
)
def test_impossible_labels(author: str, institute: str, year: int, number: int, words: str) -> None:
    with pytest.raises(DataError, match=words):
        submission_label(author, institute, year, number)


def test_ranked_is_read_back(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).random((3, 12))
    scores[1] = 0.5
    write_ranked(tmp_path / "p.csv", QUERIES, FILES, scores)
    found = read_predictions(tmp_path / "p.csv")
    assert isinstance(found, Ranked)
    assert found.texts == QUERIES
    names = [[found.names[i] for i in row] for row in found.ranking]
    for row, ranking in zip(scores, names, strict=True):
        order = sorted(range(12), key=lambda i: (-row[i], i))
        assert ranking == [FILES[i] for i in order[:10]]
    header = (tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == ",".join(["caption", *(f"file_name_{i}" for i in range(1, 11))])


def test_fewer_files_than_ten_make_fewer_columns(tmp_path: Path) -> None:
    write_ranked(tmp_path / "p.csv", ["x"], ["a", "b"], [[1, 2]])
    assert (tmp_path / "p.csv").read_text() == "caption,file_name_1,file_name_2\nx,b,a\n"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([np.float32, np.float64]).flatmap(
        lambda kind: arrays(kind, (3, 12), elements={"allow_nan": False})
    )
)
def test_scores_are_read_back_to_the_bit(tmp_path: Path, scores: np.ndarray) -> None:
    write_scores(tmp_path / "p.csv", QUERIES, FILES, scores)
    found = read_predictions(tmp_path / "p.csv")
    assert isinstance(found, Scored)
    assert (found.texts, found.names) == (QUERIES, FILES)
    assert np.array_equal(found.scores.astype(scores.dtype), scores)


def test_a_score_takes_no_more_digits_than_its_type_has(tmp_path: Path) -> None:
    write_scores(tmp_path / "p.csv", ["x"], ["a"], np.array([[0.1]], dtype=np.float32))
    with (tmp_path / "p.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["index", "a"], ["x", "0.1"]]


@pytest.mark.parametrize("write", [write_ranked, write_scores])
@pytest.mark.parametrize(
    ("queries", "files", "scores", "words"),
    [
        (["x"], ["a"], [[1, 2]], r"shape \(1, 2\), but there are 1 queries and 1 files"),
        ([], ["a"], np.zeros((0, 1)), "0 queries"),
        (["x"], ["a"], [[np.nan]], "query 'x' and file 'a' is NaN"),
        (["x", " "], ["a"], [[1], [2]], "query 1 is empty"),
        (["x"], ["a", "a"], [[1, 2]], "'a' is empty or occurs twice"),
        (["x"], ["it's", "it&#39;s"], [[1, 2]], "occurs twice"),
        (["x"], ["a", ""], [[1, 2]], "'' is empty"),
    ],
)
def test_what_is_not_written(tmp_path: Path, write, queries, files, scores, words: str) -> None:
    with pytest.raises(DataError, match=words):
        write(tmp_path / "p.csv", queries, files, scores)
    assert not list(tmp_path.iterdir())
