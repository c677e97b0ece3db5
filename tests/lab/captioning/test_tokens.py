from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from soundseek.errors import DataError
from soundseek.lab.captioning.recipe import CaptionText
from soundseek.lab.captioning.tokens import CaptionTokens, caption_tokens, learnt_tokenizer
from soundseek.text.normalise import normalise_caption
from support.captioners import CAPTIONS, tokens
from support.tiny_models import tokenizer_json

pytestmark = pytest.mark.lab

LEARNT = tokens(max_tokens=400)


def test_a_caption_is_start_words_end_and_padding() -> None:
    ids, mask = LEARNT.encode(["a dog barks", "rain"])
    assert ids.dtype == torch.int64
    assert mask.dtype == torch.bool
    assert (ids[:, 0] == LEARNT.bos).all()
    assert ids[0, -1] == LEARNT.eos
    assert (ids[~mask] == LEARNT.pad).all()
    assert [row[here][-1] for row, here in zip(ids, mask, strict=True)] == [LEARNT.eos] * 2


def test_the_ids_of_the_marks_are_barts() -> None:
    assert (LEARNT.bos, LEARNT.pad, LEARNT.eos) == (0, 1, 2)


@given(st.lists(st.text(max_size=30).filter(normalise_caption), min_size=1, max_size=4))
def test_what_is_decoded_is_what_was_written(captions: list[str]) -> None:
    ids, _ = LEARNT.encode(captions)
    assert LEARNT.decode(ids) == [normalise_caption(caption) for caption in captions]
    alone = Tokenizer.from_str(LEARNT.document)
    for row, caption in zip(ids.tolist(), captions, strict=True):
        assert alone.decode(row, skip_special_tokens=True) == normalise_caption(caption)


def test_decoding_stops_at_the_end_and_knows_the_decoders_start() -> None:
    (row,) = LEARNT.encode(["a dog barks"]).ids.tolist()
    later = LEARNT.pieces("rain")
    assert LEARNT.decode([[LEARNT.eos, *row, *later]]) == ["a dog barks"]
    assert LEARNT.decode([[LEARNT.eos]]) == [""]


def test_a_long_caption_is_cut_with_its_end() -> None:
    short = tokens(max_tokens=4)
    ids, _ = short.encode(["rain falls on a roof"])
    assert ids.shape == (1, 4)
    assert ids[0, -1] == short.eos
    assert ids[0, 1:3].tolist() == LEARNT.pieces("rain falls on a roof")[:2]
    assert short.pieces("rain falls on a roof") == LEARNT.pieces("rain falls on a roof")


def test_case_and_punctuation_stay_where_the_recipe_keeps_them() -> None:
    kept = tokens(lowercase=False, strip_punctuation=False)
    text = "A dog barks, twice."
    assert kept.decode(kept.encode([text]).ids) == [text]


def test_learning_does_not_depend_on_the_order() -> None:
    assert learnt_tokenizer(CAPTIONS, 330) == learnt_tokenizer(reversed(CAPTIONS), 330)


def test_learning_is_the_same_in_another_process() -> None:
    code = (
        "from support.captioners import tokens; import sys;"
        "sys.stdout.buffer.write(tokens().document.encode())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
        timeout=120,
    )
    assert there.stdout.decode() == tokens().document


def test_resources_are_json_and_enough() -> None:
    again = CaptionTokens.from_resources(json.loads(json.dumps(LEARNT.resources())))
    assert again.resources() == LEARNT.resources()
    assert torch.equal(again.encode(CAPTIONS).ids, LEARNT.encode(CAPTIONS).ids)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_a_folders_tokenizer_is_taken(family: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer_json(family), encoding="utf-8")
    found = caption_tokens(CaptionText(tokenizer=str(tmp_path)))
    ids, _ = found.encode(["Birds sing!", "rain falls"])
    assert found.decode(ids) == ["birds sing", "rain falls"]
    assert (ids[:, 0] == found.bos).all()


def test_what_is_no_tokenizer_for_captions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no tokenizer"):
        CaptionTokens("{}", max_tokens=8, lowercase=True, strip_punctuation=True)
    bare = json.loads(LEARNT.document) | {"post_processor": None}
    with pytest.raises(DataError, match="around a text"):
        CaptionTokens(json.dumps(bare), max_tokens=8, lowercase=True, strip_punctuation=True)
    nameless = tokenizer_json("bert").replace("[SEP]", "[END]")
    with pytest.raises(DataError, match="start, padding and end"):
        CaptionTokens(nameless, max_tokens=8, lowercase=True, strip_punctuation=True)
    with pytest.raises(DataError, match="no folder here"):
        caption_tokens(CaptionText(tokenizer=str(tmp_path / "absent")))


def test_captions_without_words_are_refused() -> None:
    with pytest.raises(DataError, match="no captions"):
        LEARNT.encode([])
    with pytest.raises(DataError, match=r"'\.\.\.' has no words"):
        LEARNT.encode(["rain", "..."])
    with pytest.raises(DataError, match="no captions from which"):
        learnt_tokenizer(["", ""], 300)
