from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.data.texts import (
    joined,
    joined_pairs,
    read_captions_csv,
    short_spans,
    unique,
)

pytestmark = pytest.mark.lab

CAPTIONS = ["A dog barks.", "rain on a tin roof, far away", "the cat's bowl rattles", "!?"]


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_both_layouts_of_caption_files(tmp_path: Path) -> None:
    one, many = tmp_path / "one.csv", tmp_path / "many.csv"
    one.write_text('id,caption\n1,"rain, far away"\n2,  \n3, wind \n', encoding="utf-8")
    many.write_text("file_name,caption_1,caption_2,n\na.wav,rain,Régen,5\nb.wav,wind\n", "utf-8")
    assert read_captions_csv(one) == ["rain, far away", "wind"]
    assert read_captions_csv(many) == ["rain", "Régen", "wind"]


@pytest.mark.parametrize("text", ["", "captions,note\nrain,x\n"])
def test_a_file_without_captions_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="no caption column"):
        read_captions_csv(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv"):
        read_captions_csv(tmp_path / "none.csv")


def test_joined_captions_hold_both_and_no_full_stop_between() -> None:
    draws = rng()
    results = {joined("A dog barks. ", "rain falls.", draws) for _ in range(100)}
    assert len(results) == 5
    for text in results:
        assert text.startswith("A dog barks")
        assert text.endswith("rain falls")
        assert "." not in text


def test_joined_pairs_are_drawn_from_the_generator() -> None:
    pairs = joined_pairs(CAPTIONS[:3], 20, rng())
    assert len(pairs) == 20
    assert pairs == joined_pairs(CAPTIONS[:3], 20, rng())
    assert len(set(pairs)) > 5
    assert joined_pairs([], 0, rng()) == []


def test_short_spans_are_runs_of_words() -> None:
    spans = short_spans(CAPTIONS, 300, rng())
    sources = ["a dog barks", "rain on a tin roof far away", "the cat's bowl rattles"]
    assert {len(span.split()) for span in spans} == {1, 2, 3, 4}
    for span in spans:
        assert any(f" {span} " in f" {source} " for source in sources)
    assert 150 < len(spans) < 300  # a caption without words gives none
    assert spans == short_spans(CAPTIONS, 300, rng())


def test_unique_is_sorted_and_without_repetition() -> None:
    assert unique(["b", "", "a", "b"]) == unique(["a", "b", "a"]) == ["a", "b"]
