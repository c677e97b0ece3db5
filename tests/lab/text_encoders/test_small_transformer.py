from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab.text_encoders import create_text_encoder
from soundseek.lab.text_encoders.small_transformer import SmallTransformer

pytestmark = pytest.mark.lab

TEXTS = ["a dog barks far away", "a dog barks", "rain falls", "rain falls on a dog"]


def made(**options: Any) -> SmallTransformer:
    torch.manual_seed(1)
    encoder = create_text_encoder(
        "small_transformer",
        model=options.pop("model", None),
        weights=options.pop("weights", "random"),
        texts=options.pop("texts", TEXTS),
        max_tokens=options.pop("max_tokens", 8),
        options={**SmallTransformer.TINY, **options},
    )
    assert isinstance(encoder, SmallTransformer)
    return encoder.eval()


@torch.no_grad()
def test_encodes_what_it_has_tokenised() -> None:
    encoder = made()
    ids, mask = encoder.tokenise(["rain falls", "a dog barks far away", " ".join(["dog"] * 20)])
    assert ids.shape == (3, 8)
    assert mask[:, 0].all()
    assert mask[2].all()
    assert not mask[0].all()
    encoded = encoder(ids, mask)
    assert encoded.pooled.shape == (3, encoder.width) == (3, 32)
    alone = encoder(*encoder.tokenise(["rain falls"]))
    torch.testing.assert_close(encoded.pooled[:1], alone.pooled, rtol=0, atol=1e-5)
    assert (encoded.pooled[0] - encoded.pooled[1]).abs().max() > 1e-3


@torch.no_grad()
def test_resources_and_weights_make_it_again() -> None:
    encoder = made(width=24, heads=3, layers=2, dropout=0.25)
    again = SmallTransformer.from_resources(json.loads(json.dumps(encoder.resources()))).eval()
    again.load_state_dict(encoder.state_dict())
    tokens = again.tokenise(TEXTS)
    assert tokens.ids.equal(encoder.tokenise(TEXTS).ids)
    assert again(*tokens).pooled.equal(encoder(*tokens).pooled)
    assert again.network.dropout.p == 0.25
    assert len(again.network.blocks) == 2


def test_the_vocabulary_has_a_limit() -> None:
    texts = [f"sound number {chr(97 + i)}{chr(98 + i)}" for i in range(20)] * 2
    small, large = made(texts=texts, vocabulary=50), made(texts=texts)
    assert small.network.tokens.num_embeddings <= 50
    assert large.network.tokens.num_embeddings > 50


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weights": "pretrained"}, RecipeError, "has no pretrained weights"),
        ({"model": "some"}, RecipeError, "has no pretrained weights .*'some'"),
        ({"heads": 3}, RecipeError, "width 32 of small_transformer cannot be shared by 3 heads"),
        ({"depth": 3}, RecipeError, "no option of small_transformer is called 'depth'"),
        ({"texts": []}, DataError, "no captions"),
    ],
)
def test_what_cannot_be(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        made(**options)
