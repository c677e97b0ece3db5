from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from soundseek.errors import RecipeError
from soundseek.lab.distilled.build import TextBatcher
from soundseek.lab.onnx_export import text_onnx
from soundseek.lab.recipe_files import validated
from soundseek.lab.text_encoders.tokenizer import train_tokenizer
from soundseek.lab.words.network import build_network, start_from_teacher
from soundseek.lab.words.recipe import NetworkSection
from soundseek.lab.words.trained import encode

pytestmark = pytest.mark.lab

TEXTS = ["rain falls", "wind blows", "rain and wind", "a dog barks", "dogs bark"] * 4
TOKENIZER = train_tokenizer(TEXTS, 200)


def read(texts: list[str]) -> np.ndarray:
    vectors = np.stack([np.random.default_rng(sum(t.encode())).standard_normal(12) for t in texts])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize("layers", [0, 2])
def test_the_start_is_a_mean_of_what_the_teacher_says_of_the_tokens(layers: int) -> None:
    settings = NetworkSection(width=12, layers=layers, heads=2, max_tokens=8)
    network = build_network(settings, TOKENIZER, 12, seed=1).eval()
    batcher = TextBatcher(TOKENIZER, 8)
    words = ["rain", "wind", "and", "a", "dog", "bark", "falls", "blows"]

    def cosine() -> float:
        return float((encode(network, batcher, words) * read(words)).sum(-1).mean())

    assert abs(cosine()) < 0.3
    start_from_teacher(network, TOKENIZER, read)
    # The start token and the positions stay random: of two tokens, one is as the teacher says.
    assert cosine() > 0.5


def test_a_network_wider_than_the_teacher_starts_as_well() -> None:
    network = build_network(NetworkSection(width=16, heads=2, layers=1), TOKENIZER, 12, seed=1)
    start_from_teacher(network, TOKENIZER, read)
    assert bool(torch.isfinite(network.head.projection.weight).all())


def test_a_network_becomes_a_graph() -> None:
    settings = NetworkSection(width=8, layers=1, heads=2, max_tokens=8)
    network = build_network(settings, TOKENIZER, 12, seed=1).eval()
    vocabulary = network.encoder.tokens.num_embeddings
    assert text_onnx(network, vocabulary=vocabulary, max_tokens=8)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(RecipeError, match="width 10 is no multiple of 4 heads"):
        validated(NetworkSection, {"width": 10}, "here")


def test_silent_blocks_add_nothing() -> None:
    network = build_network(
        NetworkSection(width=8, layers=2, heads=2), TOKENIZER, 12, seed=1
    ).eval()
    ids, mask = TextBatcher(TOKENIZER, 8)(["rain and wind", "dog"])
    assert not torch.allclose(network(ids, mask), network.as_table(ids, mask), atol=1e-3)
    network.silence_blocks()
    assert torch.allclose(network(ids, mask), network.as_table(ids, mask), atol=1e-6)
