"""Tokenizers that bring padding, truncation and special tokens of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, processors

from soundseek.bundle.check import read_manifest
from soundseek.bundle.texts import TextEncoder
from soundseek.errors import BundleError
from support.tiny_bundle import DIMENSION

START, END, PAD, LOW = 1, 4, 5, 10


class Recorder:
    """Stands in for the network: keeps what it is fed."""

    def __init__(self) -> None:
        self.fed: list[Mapping[str, np.ndarray]] = []

    def run(self, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        self.fed.append(feeds)
        return np.zeros((len(feeds["input_ids"]), DIMENSION), dtype=np.float32)


@pytest.fixture
def encoder_with(tiny_bundle: Path, tmp_path: Path) -> Callable[..., tuple[TextEncoder, Recorder]]:
    def make(
        change: Callable[[Tokenizer], object], max_tokens: int = 6
    ) -> tuple[TextEncoder, Recorder]:
        tokenizer = Tokenizer.from_file(str(tiny_bundle / "tokenizer.json"))
        change(tokenizer)
        tokenizer.save(str(tmp_path / "tokenizer.json"))
        manifest, _ = read_manifest(tiny_bundle)
        text = dataclasses.replace(manifest.text, max_tokens=max_tokens)
        encoder = TextEncoder(tmp_path, dataclasses.replace(manifest, text=text), threads=1)
        recorder = Recorder()
        encoder.network = recorder  # type: ignore[assignment]
        return encoder, recorder

    return make


def with_ends(tokenizer: Tokenizer) -> None:
    tokenizer.post_processor = processors.BertProcessing(("the", END), ("a", START))


def test_padding_is_trimmed_to_the_longest_and_masked(encoder_with) -> None:
    def fixed_length(tokenizer: Tokenizer) -> None:
        tokenizer.enable_padding(length=128, pad_id=PAD)

    encoder, recorder = encoder_with(fixed_length)
    encoder.encode(["low", "low low low"])
    (fed,) = recorder.fed
    assert fed["input_ids"].tolist() == [[LOW, PAD, PAD], [LOW, LOW, LOW]]
    assert fed["attention_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert fed["input_ids"].dtype == fed["attention_mask"].dtype == np.int64
    assert encoder.count_tokens("low") == 1


def test_the_bundle_decides_the_limit_and_special_tokens_survive_the_cut(encoder_with) -> None:
    def shorter(tokenizer: Tokenizer) -> None:
        with_ends(tokenizer)
        tokenizer.enable_truncation(3)

    encoder, recorder = encoder_with(shorter)
    encoder.encode("low " * 20)
    assert recorder.fed[0]["input_ids"].tolist() == [[START, LOW, LOW, LOW, LOW, END]]
    assert encoder.count_tokens("low " * 20) == 22


def test_a_limit_without_room_for_words_is_refused(encoder_with) -> None:
    encoder, _ = encoder_with(with_ends, max_tokens=2)
    with pytest.raises(BundleError, match=r"max_tokens is 2, .* adds 2 of its own"):
        encoder.encode("low")


def test_texts_run_in_batches_of_bounded_size(encoder_with) -> None:
    encoder, recorder = encoder_with(with_ends)
    assert encoder.encode(["low"] * 150).shape == (150, DIMENSION)
    assert [len(fed["input_ids"]) for fed in recorder.fed] == [64, 64, 22]


def test_a_broken_tokenizer_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    encoder = TextEncoder(tmp_path, read_manifest(tiny_bundle)[0], threads=1)
    with pytest.raises(BundleError, match=r"cannot read .*tokenizer\.json"):
        encoder.encode("low")


def test_words_without_a_token_are_told(
    encoder_with: Callable[..., tuple[TextEncoder, Recorder]],
) -> None:
    encoder, _ = encoder_with(lambda tokenizer: None)
    assert encoder.unknown_words("A long, low дождь tone; дождь Zither") == ["дождь", "zither"]
    assert encoder.unknown_words("a low tone") == []
