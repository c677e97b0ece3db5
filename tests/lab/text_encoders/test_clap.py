from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from soundseek.errors import DataError, RecipeError
from soundseek.lab.text_encoders import create_text_encoder
from soundseek.lab.text_encoders.clap import ClapText
from support.tiny_models import TEXTS, bert, clap, saved

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(clap(), tmp_path_factory.mktemp("clap"), "roberta")


def read(folder: Path | None, **options: Any) -> ClapText:
    encoder = create_text_encoder(
        "clap",
        model=None if folder is None else str(folder),
        weights=options.pop("weights", "pretrained"),
        texts=options.pop("texts", ()),
        max_tokens=options.pop("max_tokens", 16),
        options=options,
    )
    assert isinstance(encoder, ClapText)
    return encoder.eval()


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@torch.no_grad()
def test_padding_changes_nothing(folder: Path) -> None:
    encoder = read(folder)
    together = encoder(*encoder.tokenise(TEXTS))
    for i, text in enumerate(TEXTS):
        alone = encoder(*encoder.tokenise([text]))
        close(together.pooled[i], alone.pooled[0])
        close(together.sequence[i, : alone.sequence.shape[1]], alone.sequence[0])


@torch.no_grad()
def test_the_shared_space_is_the_projection_of_what_is_pooled(folder: Path) -> None:
    encoder, projected = read(folder), read(folder, pooled="projected")
    tokens = encoder.tokenise(TEXTS)
    vectors = projected(*tokens).pooled
    close(vectors, encoder.project(encoder(*tokens).pooled))
    close(vectors.norm(dim=-1), torch.ones(len(TEXTS)))
    assert (encoder.width, projected.width) == (16, 12)
    assert vectors.shape == (len(TEXTS), 12)


@torch.no_grad()
def test_resources_and_weights_make_it_again(folder: Path) -> None:
    encoder = read(folder, pooled="projected")
    again = ClapText.from_resources(json.loads(json.dumps(encoder.resources()))).eval()
    again.load_state_dict(encoder.state_dict())
    tokens = again.tokenise(TEXTS)
    assert tokens.ids.equal(encoder.tokenise(TEXTS).ids)
    close(again(*tokens).pooled, encoder(*tokens).pooled)


@torch.no_grad()
def test_the_text_tower_alone_will_do(folder: Path, tmp_path: Path) -> None:
    encoder = read(folder)
    alone = read(saved(encoder.network, tmp_path, "roberta"))
    tokens = encoder.tokenise(TEXTS)
    close(alone(*tokens).pooled, encoder(*tokens).pooled)


def test_random_weights() -> None:
    torch.manual_seed(1)
    encoder = read(None, weights="random", texts=TEXTS, max_tokens=9, **ClapText.TINY)
    ids, mask = encoder.tokenise(["rain", "a dog barks"])
    assert ids[~mask].unique().tolist() == [0]
    assert encoder(ids, mask).pooled.shape == (2, 32)
    close(encoder.project(torch.randn(3, 32)).norm(dim=-1), torch.ones(3))


def test_random_weights_of_a_folder_are_not_its_own(folder: Path) -> None:
    one, other = read(folder), read(folder, weights="random")
    assert one.tokenise(TEXTS).ids.equal(other.tokenise(TEXTS).ids)
    tokens = one.tokenise(TEXTS)
    assert F.cosine_similarity(one(*tokens).pooled, other(*tokens).pooled).max() < 0.99


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": "pooler"}, r"option of clap .*'pool'"),
        ({"pooled": "mean"}, "no pooled is called 'mean'"),
        ({"projection": 8}, "projection of clap: pretrained"),
        ({"max_tokens": 21}, "max_tokens is 21, and clap has 20 positions"),
        ({"weights": "some"}, "kind of weights"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str, folder: Path) -> None:
    with pytest.raises(RecipeError, match=message):
        read(folder, **options)


def test_pretrained_needs_a_model() -> None:
    with pytest.raises(RecipeError, match="pretrained clap needs a model"):
        read(None)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a bert, not a clap"):
        read(saved(bert(), tmp_path))


def test_a_missing_weight_is_named(tmp_path: Path) -> None:
    folder = saved(clap(), tmp_path, "roberta")
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("text_projection.linear2.bias")
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(DataError, match=r"1 keys are missing: text_projection\.linear2\.bias"):
        read(folder)
