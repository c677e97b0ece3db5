from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from soundseek.errors import DataError, RecipeError
from soundseek.lab.captioning.network import build_network
from soundseek.lab.captioning.tokens import CaptionTokens
from support.captioners import sizes, tokens
from support.tiny_models import bert, edited, saved, scattered

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def cut() -> CaptionTokens:
    return tokens()


@pytest.fixture
def upstream(cut: CaptionTokens) -> Any:
    config = transformers.BartConfig(
        vocab_size=cut.vocabulary + 3,
        d_model=16,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        max_position_embeddings=40,
        scale_embedding=True,
    )
    return scattered(transformers.BartForConditionalGeneration(config))


@pytest.fixture
def folder(upstream: Any, tmp_path: Path) -> Path:
    return saved(upstream, tmp_path / "bart")


def test_random_weights_are_of_the_recipes_sizes(cut: CaptionTokens) -> None:
    config: Any = build_network(sizes(encoder_layers=3, dropout=0.2), cut).config
    assert (config.encoder_layers, config.decoder_layers, config.d_model) == (3, 2, 16)
    assert (config.dropout, config.attention_dropout, config.activation_dropout) == (0.2,) * 3
    assert config.vocab_size == cut.vocabulary
    assert config.decoder_start_token_id == config.eos_token_id == cut.eos


@pytest.mark.parametrize("encoder", ["bart", "none"])
def test_pretrained_weights_are_the_folders(
    encoder: str, upstream: Any, folder: Path, cut: CaptionTokens
) -> None:
    edited(folder, "config.json", num_beams=7, no_repeat_ngram_size=2, early_stopping=True)
    made: Any = build_network(
        sizes(weights="pretrained", model=str(folder), encoder=encoder, dropout=0.3), cut
    )
    state = made.state_dict()
    expected = upstream.state_dict()
    for name in state:
        assert torch.equal(state[name], expected[name]), name
    assert set(expected) - set(state) == {
        name for name in expected if encoder == "none" and name.startswith("model.encoder.")
    }
    assert made.config.dropout == 0.3
    assert made.config.scale_embedding
    # How others generated with it does not matter.
    assert made.generation_config.num_beams is None


def test_other_sizes_than_the_folders_are_all_told(folder: Path, cut: CaptionTokens) -> None:
    with pytest.raises(RecipeError, match=r"decoder_layers 3, not 2; ffn 32, not 24"):
        build_network(sizes(weights="pretrained", model=str(folder), decoder_layers=3, ffn=32), cut)


def test_another_tokenizer_than_the_folders_is_refused(folder: Path, cut: CaptionTokens) -> None:
    edited(folder, "config.json", pad_token_id=0)
    with pytest.raises(RecipeError, match=f"set text.tokenizer={folder}"):
        build_network(sizes(weights="pretrained", model=str(folder)), cut)


def test_another_architecture_is_refused(tmp_path: Path, cut: CaptionTokens) -> None:
    folder = saved(bert(), tmp_path)
    with pytest.raises(DataError, match="is a bert, not a bart"):
        build_network(sizes(weights="pretrained", model=str(folder)), cut)


def test_missing_weights_are_refused(folder: Path, cut: CaptionTokens) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match="has no"):
        build_network(sizes(weights="pretrained", model=str(folder)), cut)
