from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.words.corpus import read_corpus
from soundseek.text.normalise import normalise_caption

pytestmark = pytest.mark.lab

NONE = dict.fromkeys(
    ("joined", "spans", "framed", "ordered", "swapped", "words", "definitions", "examples"), 0
)


def test_every_sort_of_text_is_there(words_recipe: Callable[..., Any]) -> None:
    texts = read_corpus(words_recipe()).texts
    assert texts == sorted(set(texts))
    for expected in (
        "a wolfkin rings",
        "a train free noise",
        "door",
        "grey howler",
        "he shut the box",
        "a crate of plums",
    ):
        assert expected in texts
    assert sum("door" in text for text in texts) > 4
    assert {"a furry animal", "an animal with stripes", "a container", "without noise"} & set(texts)
    # Names are no words of a dictionary.
    assert not any("murmurton" in text.lower() for text in texts)


def test_the_same_recipe_has_the_same_texts(words_recipe: Callable[..., Any]) -> None:
    assert read_corpus(words_recipe()).texts == read_corpus(words_recipe()).texts
    assert read_corpus(words_recipe(seed=4)).texts != read_corpus(words_recipe()).texts


def test_nothing_held_out_is_learnt(words_recipe: Callable[..., Any]) -> None:
    corpus = read_corpus(words_recipe(texts=NONE))
    learnt = {normalise_caption(text) for text in corpus.texts}
    # "A bell rings." is held out, and "a bell rings" was in the corpus.
    assert "a bell rings" not in learnt
    assert "a box rings" in learnt
    assert not learnt & {normalise_caption(t) for t in corpus.held_out["held"].captions}


def test_clips_for_validation_and_test_and_other_tiers_are_left_out(
    words_recipe: Callable[..., Any], words_folder: Path
) -> None:
    texts = read_corpus(words_recipe(texts=NONE)).texts
    assert [text for text in texts if text.endswith(" noise") and "a t" in text] == [
        "a train free noise"
    ]
    # Not even where another file has it.
    with (words_folder / "captions.csv").open("a", encoding="utf-8") as file:
        file.write("A test research noise!\n")
    assert read_corpus(words_recipe(texts=NONE)).texts == texts


def test_captions_know_their_clip(words_recipe: Callable[..., Any], words_folder: Path) -> None:
    (words_folder / "rows.csv").write_text(
        'audiocap_id,youtube_id,caption\n1,a,one\n2,b,two\n3,a,three\n4,b,\n5,c,"fo\nur"\n',
        encoding="utf-8",
    )
    corpus = read_corpus(words_recipe(data={"held_out": {"rows": "rows.csv"}}))
    assert corpus.held_out["held"].captions[:3] == [
        "a gong is heard",
        "someone hears a gong",
        "a horn is heard",
    ]
    assert corpus.held_out["held"].owners[:5].tolist() == [0, 0, 1, 1, 2]
    assert corpus.held_out["rows"].captions == ["one", "two", "three", "fo ur"]
    assert corpus.held_out["rows"].owners.tolist() == [0, 1, 0, 2]


def test_without_wordnet_nothing_of_it_is_looked_for(
    words_recipe: Callable[..., Any], tmp_path: Path
) -> None:
    nowhere = {"wordnet": str(tmp_path / "nowhere")}
    assert read_corpus(words_recipe(data=nowhere, texts=NONE)).texts
    with pytest.raises(DataError, match="no WordNet in"):
        read_corpus(words_recipe(data=nowhere))


def test_a_recipe_without_texts_is_refused(words_recipe: Callable[..., Any]) -> None:
    nothing = {"captions": [], "clips": None, "class_names": None}
    with pytest.raises(DataError, match="comes to no texts"):
        read_corpus(words_recipe(data=nothing))
