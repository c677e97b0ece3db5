from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab.text_encoders import create_text_encoder
from soundseek.lab.text_encoders.word_vectors import WordVectors

pytestmark = pytest.mark.lab

FILE_WORDS = ["</s>", "the", "A", "dog", "New_York", "barks", "thunder", "Cat", "cat"]
TEXTS = ["A dog barks.", "the CAT, a zyzzyva", "A dog's life"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.txt"
    rows = [f"{word} " + " ".join([str(i + 1)] * 4) for i, word in enumerate(FILE_WORDS)]
    path.write_text("\n".join([f"{len(rows)} 4", *rows]) + "\n", encoding="utf-8")
    return path


def made(file: Path | None, weights: Any = "pretrained", **options: Any) -> WordVectors:
    encoder = create_text_encoder(
        "word_vectors",
        model=None if file is None else str(file),
        weights=weights,
        texts=options.pop("texts", TEXTS),
        max_tokens=options.pop("max_tokens", 30),
        options=options,
    )
    assert isinstance(encoder, WordVectors)
    return encoder


def value(encoder: WordVectors, text: str) -> float:
    """All four values of a word in the file are its row's number."""
    pooled = encoder(*encoder.tokenise([text])).pooled[0]
    assert (pooled == pooled[0]).all()
    return float(pooled[0])


def test_words_of_the_texts_and_the_first_of_the_file(file: Path) -> None:
    assert made(file, keep=0).words == ["the", "A", "dog", "barks"]
    # Of the first seven, the mark and the phrase can never be found in a text.
    assert made(file, keep=7).words == ["the", "A", "dog", "barks", "thunder"]
    assert made(file).words == ["the", "A", "dog", "barks", "thunder", "Cat", "cat"]
    assert made(file, case="lower").words == ["the", "dog", "barks", "thunder", "cat"]


def test_the_mean_of_the_known_words(file: Path) -> None:
    encoder = made(file)
    assert value(encoder, "A dog barks.") == pytest.approx((3 + 4 + 6) / 3)
    assert value(encoder, "thunder, zyzzyva!") == 7
    assert value(encoder, "Cat") == 8
    assert value(encoder, "cat") == 9
    assert value(made(file, case="lower"), "The CAT") == pytest.approx((2 + 9) / 2)


def test_a_text_gives_the_same_alone_and_in_a_batch(file: Path) -> None:
    encoder = made(file)
    texts = ["the dog barks", "cat", "zyzzyva", "A A A dog"]
    ids, mask = encoder.tokenise(texts)
    assert mask.sum(1).tolist() == [3, 1, 0, 4]
    together = encoder(ids, mask)
    assert together.sequence.shape == (4, 4, 4)
    for row, text in enumerate(texts):
        alone = encoder(*encoder.tokenise([text])).pooled[0]
        torch.testing.assert_close(together.pooled[row], alone, rtol=0, atol=1e-6)


def test_unknown_words_are_counted_and_an_unknown_text_is_zero(file: Path) -> None:
    encoder = made(file)
    assert encoder.report()["texts"] == 0
    encoding = encoder(*encoder.tokenise(["zyzzyva dog zyzzyva", "quux", "", "the cat"]))
    assert not encoding.pooled[1:3].any()
    assert encoding.pooled[[0, 3]].all()
    assert encoding.pooled.isfinite().all()
    assert encoder.unknown == {"zyzzyva": 2, "quux": 1}
    report = encoder.report()
    assert json.loads(json.dumps(report)) == {
        "texts": 4,
        "texts_without_a_known_word": 2,
        "known_words": 3,
        "unknown_words": 3,
        "different_unknown_words": 2,
        "most_frequent_unknown_words": {"zyzzyva": 2, "quux": 1},
    }


def test_the_first_known_words_of_a_long_text(file: Path) -> None:
    ids, mask = made(file, max_tokens=2).tokenise(["zyzzyva dog quux cat thunder"])
    assert mask.tolist() == [[True, True]]
    encoder = made(file, max_tokens=2)
    assert [encoder.words[index - 1] for index in ids[0]] == ["dog", "cat"]


@pytest.mark.parametrize("trainable", [False, True])
def test_it_is_made_again_from_its_resources_and_state(file: Path, trainable: bool) -> None:
    encoder = made(file, trainable=trainable, case="lower")
    again = WordVectors.from_resources(json.loads(json.dumps(encoder.resources())))
    assert not again.vectors.any()
    again.load_state_dict(encoder.state_dict())
    ids, mask = again.tokenise(["The dog"])
    torch.testing.assert_close(again(ids, mask).pooled, encoder(ids, mask).pooled, rtol=0, atol=0)
    assert again.max_tokens == encoder.max_tokens
    assert bool(list(again.parameters())) is trainable


def test_a_trainable_one_learns_but_for_its_padding(file: Path) -> None:
    encoder = made(file, trainable=True)
    before = encoder.vectors.detach().clone()
    ids, mask = encoder.tokenise(["the dog", "cat"])
    optimiser = torch.optim.SGD(encoder.parameters(), 0.1)
    losses = []
    for _ in range(3):
        loss = encoder(ids, mask).pooled.square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    changed = (encoder.vectors != before).any(1).nonzero().flatten().tolist()
    assert changed == sorted(set(ids[mask].tolist()))
    assert not list(made(file).parameters())


def test_random_vectors_have_to_be_asked_for() -> None:
    torch.manual_seed(5)
    first = made(None, "random", **WordVectors.TINY)
    torch.manual_seed(5)
    again = made(None, "random", **WordVectors.TINY)
    assert first.words == ["A", "CAT", "a", "barks", "dog", "dog's", "life", "the", "zyzzyva"]
    assert first.width == 16
    torch.testing.assert_close(first.vectors, again.vectors, rtol=0, atol=0)
    assert torch.pdist(first.vectors[1:]).min() > 0.1
    wide = made(None, "random")
    assert wide.width == 300
    torch.testing.assert_close(wide.vectors[1:].norm(dim=1), torch.ones(9), rtol=0, atol=0.3)
    with pytest.raises(RecipeError, match=r"need a file\n.*weights: random"):
        made(None)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"case": "upper"}, RecipeError, "no case of word_vectors is called 'upper'"),
        ({"kept": 5}, RecipeError, "no option of word_vectors is called 'kept'.*\n.*'keep'"),
        ({"dimension": 300}, DataError, "has 4 values a word, not 300"),
        (
            {"texts": ["quux zyzzyva"]},
            DataError,
            r"knows none of the 2 words of the texts, such as 'quux', 'zyzzyva'\n.*'lower'",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    file: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        made(file, **options)


def test_words_and_vectors_have_to_be_as_many() -> None:
    with pytest.raises(DataError, match=r"2 words, but vectors of shape \(3, 4\)"):
        WordVectors(["a", "b"], torch.zeros(3, 4), max_tokens=5)


def test_vectors_come_from_a_binary_file_too(tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).standard_normal((2, 8)).astype("<f4")
    path = tmp_path / "vectors.bin"
    path.write_bytes(b"2 8\nA " + vectors[0].tobytes() + b"\ndog " + vectors[1].tobytes() + b"\n")
    encoder = made(path)
    np.testing.assert_array_equal(encoder.vectors[1:].numpy(), vectors)
    assert not encoder.vectors[0].any()
