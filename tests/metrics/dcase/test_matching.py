from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.metrics import average_precision_at
from soundseek.metrics.dcase import (
    Matched,
    Ranked,
    Scored,
    Truth,
    match,
    read_predictions,
    read_truth,
)

HERE = Path("here.csv")


def truth_of(relevant: dict[str, list[str]], lists_all: bool = False) -> Truth:
    files = list(dict.fromkeys(name for names in relevant.values() for name in names))
    pairs = sorted(
        (query, files.index(name))
        for query, names in enumerate(relevant.values())
        for name in names
    )
    query_of, file_of = np.array(pairs).T
    return Truth(HERE, list(relevant), files, query_of, file_of, lists_all)


def ranked(rows: list[tuple[str, list[str]]]) -> Ranked:
    names = list(dict.fromkeys(name for _, ranking in rows for name in ranking))
    ranking = np.array([[names.index(name) for name in ranking] for _, ranking in rows])
    return Ranked(HERE, [text for text, _ in rows], [*range(2, len(rows) + 2)], names, ranking)


def scored(texts: list[str], names: list[str], scores: np.ndarray) -> Scored:
    return Scored(HERE, texts, [*range(2, len(texts) + 2)], names, np.asarray(scores, float))


@st.composite
def rankings(draw: st.DrawFn) -> tuple[dict[str, list[str]], list[tuple[str, list[str]]]]:
    """What is relevant to some queries, and the first k of a ranking of more files."""
    files = [f"f{i}" for i in range(8)]
    texts = [f"q{i}" for i in range(draw(st.integers(1, 4)))]
    k = draw(st.integers(1, 8))
    relevant = {
        text: draw(st.lists(st.sampled_from(files), min_size=1, max_size=5, unique=True))
        for text in texts
    }
    rows = [(text, draw(st.permutations(files))[:k]) for text in draw(st.permutations(texts))]
    return relevant, rows


@given(rankings())
def test_ranked_places_equal_a_naive_oracle(problem) -> None:
    relevant, rows = problem
    found = match(truth_of(relevant), ranked(rows)).text_to_audio()
    ranking_of = dict(rows)
    for i, (text, wanted) in enumerate(relevant.items()):
        places = [p for p, name in enumerate(ranking_of[text], 1) if name in wanted]
        filled = places + [math.inf] * (found.places.shape[1] - len(places))
        assert found.places[i].tolist() == filled
        assert found.totals[i] == len(wanted)


@given(rankings())
def test_a_matrix_gives_the_same_as_its_complete_ranking(problem) -> None:
    relevant, rows = problem
    files = [f"f{i}" for i in range(8)]
    rows = [(text, [*names, *(f for f in files if f not in names)]) for text, names in rows]
    scores = [[-names.index(file) for file in files] for _, names in rows]
    truth = truth_of(relevant)
    of_names = match(truth, ranked(rows)).text_to_audio()
    of_scores = match(truth, scored([text for text, _ in rows], files, scores)).text_to_audio()
    assert np.array_equal(of_names.places, of_scores.places)
    assert np.array_equal(of_names.totals, of_scores.totals)


def naive_audio_to_text(truth: Truth, found: Scored) -> dict[str, float]:
    """Σ i / rank_i over a file's relevant captions within the first 10, over their number."""
    results = {}
    for file, name in enumerate(truth.files):
        own = {q for q, f in zip(truth.query_of, truth.file_of, strict=True) if f == file}
        column = [
            found.scores[found.texts.index(text)][found.names.index(name)] for text in truth.queries
        ]
        order = sorted(range(len(column)), key=lambda q: (-column[q], q in own))
        ranks = [rank for rank, q in enumerate(order, 1) if q in own]
        results[name] = sum(i / r for i, r in enumerate(ranks, 1) if r <= 10) / len(own)
    return results


@given(st.integers(0, 2**32 - 1))
def test_audio_to_text_equals_a_naive_oracle(seed: int) -> None:
    rng = np.random.default_rng(seed)
    files = [f"f{i}" for i in range(4)]
    texts = [f"q{i}" for i in range(20)]
    truth = truth_of({text: [files[i // 5]] for i, text in enumerate(texts)}, lists_all=True)
    order = rng.permutation(20)
    columns = [files[i] for i in rng.permutation(4)]
    given_scores = rng.integers(0, 9, (20, 4))
    found = scored([texts[i] for i in order], columns, given_scores)
    names, positions = match(truth, found).audio_to_text()
    assert names == truth.files
    expected = naive_audio_to_text(truth, found)
    assert average_precision_at(positions, 10) == pytest.approx([expected[n] for n in names])


def test_files_without_a_caption_are_not_asked_for_in_audio_to_text() -> None:
    truth = truth_of({"x": ["a"], "y": ["a", "c"]})
    names, positions = match(
        truth, scored(["x", "y"], ["b", "c", "a"], [[9, 1, 2], [9, 3, 1]])
    ).audio_to_text()
    assert names == ["a", "c"]
    assert positions.totals.tolist() == [2, 1]
    assert positions.places.tolist() == [[1, 2], [1, math.inf]]


def test_ranked_names_cannot_rank_texts() -> None:
    found = match(truth_of({"x": ["a"]}), ranked([("x", ["a"])]))
    with pytest.raises(DataError, match="texts cannot be ranked"):
        found.audio_to_text()


def doubled() -> Truth:
    """The text "rain" is the caption of two files."""
    return Truth(HERE, ["rain", "wind", "rain"], ["a", "b", "c"], np.arange(3), np.arange(3), True)


def places(found: Matched) -> list[float]:
    return found.text_to_audio().places[:, 0].tolist()


def test_the_nth_row_of_a_text_answers_its_nth_caption() -> None:
    rows = [("wind", ["b", "a"]), ("rain", ["a", "b"]), ("rain", ["b", "c"])]
    assert places(match(doubled(), ranked(rows))) == [1.0, 1.0, 2.0]


def test_one_row_of_a_text_answers_all_its_captions() -> None:
    rows = [("wind", ["b", "a"]), ("rain", ["a", "c"])]
    assert places(match(doubled(), ranked(rows))) == [1.0, 1.0, 2.0]
    found = match(doubled(), scored(["wind", "rain"], ["a", "b", "c"], [[1, 2, 3], [3, 2, 1]]))
    assert places(found) == [1.0, 2.0, 3.0]
    assert found.first_names(2) == [["a", "b"], ["c", "b"], ["a", "b"]]


def test_a_number_of_rows_that_fits_no_rule() -> None:
    rows = [("rain", ["a", "b"])] * 3 + [("wind", ["b", "a"])]
    with pytest.raises(DataError, match="row 3: 'rain' has 3 rows, but 2 in"):
        match(doubled(), ranked(rows))


def test_texts_are_compared_without_entities_and_white_space() -> None:
    truth = truth_of({"one  bell ": ["a"], "it&#39;s  rain": ["b"]})
    rows = [("it's rain", ["b"]), ("one bell", ["a"])]
    assert places(match(truth, ranked(rows))) == [1.0, 1.0]


def test_missing_and_extra_queries() -> None:
    truth = truth_of({"x": ["a"], "y": ["a"]})
    with pytest.raises(DataError, match=r"has no row for 1 of the 2 queries of here\.csv, the"):
        match(truth, ranked([("x", ["a"])]))
    rows = [("x", ["a"]), ("z", ["b"]), ("y", ["b"])]
    with pytest.raises(DataError, match=r"row 3: here\.csv does not ask 'z'"):
        match(truth, ranked(rows))
    assert places(match(truth, ranked(rows), allow_extra=True)) == [1.0, math.inf]


def test_unknown_files() -> None:
    truth = truth_of({"x": ["rain.wav"], "y": ["wind.wav"]}, lists_all=True)
    rows = [("x", ["rain.wav", "wind.wav"]), ("y", ["wind.wav", "rain.mp3"])]
    with pytest.raises(DataError, match=r"row 3, file_name_2: .* file 'rain\.mp3'") as caught:
        match(truth, ranked(rows))
    assert "did you mean 'rain.wav'?" in str(caught.value.remedy)
    assert places(match(truth, ranked(rows), allow_extra=True)) == [1.0, 1.0]
    columns = scored(["x", "y"], ["rain.wav", "wind.wav", "hum", "buzz"], np.ones((2, 4)))
    with pytest.raises(DataError, match=r"column 4: .* the file 'hum' nor 1 others"):
        match(truth, columns)
    # Constant scores: all three irrelevant files count as ranked before the relevant one.
    assert places(match(truth, columns, allow_extra=True)) == [4.0, 4.0]


def test_lists_of_relevant_files_do_not_say_what_else_is_searched() -> None:
    found = match(truth_of({"x": ["a"]}), ranked([("x", ["other", "a"])]))
    assert places(found) == [2.0]
    assert found.n_files is None


def test_a_matrix_must_score_every_relevant_file() -> None:
    truth = truth_of({"x": ["a", "b", "c"]})
    with pytest.raises(DataError, match=r"no column for 2 of the 3 files of here\.csv, the first"):
        match(truth, scored(["x"], ["a", "z"], np.ones((1, 2))))


def test_depth() -> None:
    truth = truth_of({"x": ["a"], "y": ["b"]}, lists_all=True)
    assert match(truth, ranked([("x", ["a"]), ("y", ["b"])])).depth == 1
    assert match(truth, ranked([("x", ["a", "b"]), ("y", ["b", "a"])])).depth is None
    assert match(truth, scored(["x", "y"], ["a", "b"], np.ones((2, 2)))).depth is None
    assert match(truth_of({"x": ["a"]}), ranked([("x", ["a", "b"])])).depth == 2


def test_from_files(clotho: Path, make) -> None:
    path = make(
        "p.csv",
        "caption,file_name_1,file_name_2",
        "rain falls,rain.wav,bell.wav",
        '"rain, on a roof",bell.wav,rain.wav',
        "a dog barks,o'dog.wav,bell.wav",
        "dogs,rain.wav,bell.wav",
        "a bell rings,o&#39;dog.wav,bell.wav",
        "one bell,bell.wav,rain.wav",
    )
    found = match(read_truth(clotho), read_predictions(path))
    assert places(found) == [1, 2, 1, math.inf, 2, 1]
    assert (found.depth, found.n_files) == (2, 3)
