from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from soundseek.lab.text_encoders.transformer import TextTransformer

pytestmark = pytest.mark.lab


@pytest.fixture
def encoder() -> TextTransformer:
    torch.manual_seed(1)
    return TextTransformer(50, width=32, layers=2, heads=4, max_tokens=12, dropout=0.3).eval()


def batch(*lengths: int, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(1, 50, (len(lengths), tokens), generator=generator)
    mask = torch.arange(tokens)[None] < torch.tensor(lengths)[:, None]
    return ids * mask, mask


@torch.no_grad()
def test_shapes(encoder: TextTransformer) -> None:
    ids, mask = batch(7, 3, tokens=7)
    encoded = encoder(ids, mask)
    assert encoded.sequence.shape == (2, 7, 32)
    assert encoded.pooled.shape == (2, encoder.width)
    assert encoded.mask is mask
    expected = encoded.sequence[1, :3].mean(0)
    torch.testing.assert_close(encoded.pooled[1], expected)


@torch.no_grad()
@pytest.mark.parametrize("tokens", [3, 5, 12])
def test_padding_changes_nothing(encoder: TextTransformer, tokens: int) -> None:
    ids, mask = batch(3, tokens=12)
    short = encoder(ids[:, :3], mask[:, :3]).pooled
    padded = encoder(ids[:, :tokens], mask[:, :tokens]).pooled
    torch.testing.assert_close(padded, short, rtol=0, atol=1e-5)


@torch.no_grad()
def test_what_stands_in_the_padding_changes_nothing(encoder: TextTransformer) -> None:
    ids, mask = batch(4, tokens=8)
    other = torch.where(mask, ids, torch.tensor(17))
    torch.testing.assert_close(
        encoder(other, mask).pooled, encoder(ids, mask).pooled, rtol=0, atol=1e-5
    )


@torch.no_grad()
def test_a_text_has_one_vector_alone_and_in_a_batch(encoder: TextTransformer) -> None:
    ids, mask = batch(8, 2, 5, tokens=8)
    together = encoder(ids, mask).pooled
    alone = torch.cat([encoder(ids[i : i + 1], mask[i : i + 1]).pooled for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_order_of_words_matters(encoder: TextTransformer) -> None:
    ids, mask = batch(6, tokens=6)
    difference = encoder(ids.flip(1), mask).pooled - encoder(ids, mask).pooled
    assert difference.abs().max() > 1e-3


@torch.no_grad()
def test_dropout_heeds_eval_mode(encoder: TextTransformer) -> None:
    ids, mask = batch(6, tokens=6)
    assert encoder(ids, mask).pooled.equal(encoder(ids, mask).pooled)
    encoder.train()
    assert not encoder(ids, mask).pooled.equal(encoder(ids, mask).pooled)
