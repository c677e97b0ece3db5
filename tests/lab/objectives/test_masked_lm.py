from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch
from torch import Tensor
from torch.nn import functional as F

from soundseek.errors import DataError, RecipeError
from soundseek.lab.encodings import Tokens
from soundseek.lab.objectives.masked_lm import (
    MaskedLm,
    draw_token_mask,
    hidden_token_loss,
    hide_tokens,
)
from soundseek.lab.objectives.table import ModelFacts
from support.pair_batches import MASK_ID, SPECIAL, WIDTH, TinyFusing, pair_batch

pytestmark = pytest.mark.lab


def masked_lm(**options: Any) -> tuple[MaskedLm, TinyFusing]:
    torch.manual_seed(4)
    encoder = TinyFusing()
    return MaskedLm(model_facts=ModelFacts(WIDTH, WIDTH, 6, encoder), **options), encoder


def padded(captions: list[list[int]]) -> Tokens:
    width = max(1, *map(len, captions))
    ids = torch.tensor([caption + [0] * (width - len(caption)) for caption in captions])
    mask = torch.arange(width) < torch.tensor([[len(caption)] for caption in captions])
    return Tokens(ids, mask)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 9), max_size=9), min_size=2, max_size=5),
    st.sampled_from([0.01, 0.15, 0.6, 1.0]),
    st.integers(0, 99),
)
def test_share_of_the_words_and_at_least_one(
    captions: list[list[int]], share: float, seed: int
) -> None:
    tokens = padded([*captions, [1, 7, 2]])
    hidden = draw_token_mask(tokens, SPECIAL, share, torch.Generator().manual_seed(seed))
    for caption, row in zip([*captions, [1, 7, 2]], hidden.tolist(), strict=True):
        words = [i for i, token in enumerate(caption) if token not in SPECIAL]
        taken = [i for i, is_hidden in enumerate(row) if is_hidden]
        assert set(taken) <= set(words)
        assert len(taken) == (max(1, round(share * len(words))) if words else 0)


def test_padding_is_never_hidden_whatever_its_id() -> None:
    tokens = Tokens(torch.tensor([[5, 6, 7, 7]]), torch.tensor([[True, True, False, False]]))
    hidden = draw_token_mask(tokens, SPECIAL, 1.0, torch.Generator().manual_seed(0))
    assert hidden.tolist() == [[True, True, False, False]]


def test_every_word_is_as_likely() -> None:
    tokens = padded([[1, 5, 6, 7, 8, 9, 2]])
    generator = torch.Generator().manual_seed(0)
    drawn = [draw_token_mask(tokens, SPECIAL, 0.6, generator) for _ in range(2000)]
    frequency = torch.cat(drawn).float().mean(0)
    expected = torch.tensor([0, 0.6, 0.6, 0.6, 0.6, 0.6, 0])
    torch.testing.assert_close(frequency, expected, rtol=0, atol=0.04)


def test_the_draw_is_the_generators() -> None:
    tokens = pair_batch(range(8)).tokens
    first, again, other = (
        draw_token_mask(tokens, SPECIAL, 0.6, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_hidden_tokens_are_replaced_and_only_they_are_scored() -> None:
    term, encoder = masked_lm()
    batch = pair_batch([0, 1, 2, 3])
    value = term(batch)
    (call,) = encoder.fused
    hidden = draw_token_mask(batch.tokens, SPECIAL, 0.6, torch.Generator().manual_seed(0))
    assert torch.equal(call["ids"], hide_tokens(batch.tokens.ids, hidden, MASK_ID))
    assert torch.equal(call["ids"] == MASK_ID, hidden)
    assert call["causal"] is True
    fused = encoder.fuse(**{**call, "audio_mask": batch.audio_encoding.mask})
    log_probability = F.log_softmax(encoder.vocabulary_logits(fused), dim=-1)
    losses = [
        -log_probability[i, t, batch.tokens.ids[i, t]].item()
        for i, row in enumerate(hidden.tolist())
        for t, is_hidden in enumerate(row)
        if is_hidden
    ]
    assert value.item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_causal_is_an_option() -> None:
    term, encoder = masked_lm(causal=False)
    term(pair_batch([0, 1]))
    assert encoder.fused[0]["causal"] is False


@pytest.mark.parametrize("causal", [True, False])
def test_what_the_term_may_know(causal: bool) -> None:
    """Pads and, when causal, words behind the hidden one do not count; the sound does."""
    term, encoder = masked_lm(causal=causal)
    tokens = padded([[1, 5, 2, 9], [1, 6, 2, 9]])
    batch = pair_batch([0, 1])

    def value(tokens: Tokens, **changes: Any) -> Tensor:
        # Everything but word 1 is special here, so word 1 is the one that is hidden.
        encoder.special_ids = SPECIAL | {9, 11}
        return term(pair_batch([0, 1], tokens=tokens, **changes))

    later = Tokens(tokens.ids.clone(), tokens.mask)
    later.ids[:, 3] = 11
    assert bool(value(later) == value(tokens)) is causal
    longer = Tokens(F.pad(tokens.ids, (0, 3)), F.pad(tokens.mask, (0, 3)))
    torch.testing.assert_close(value(longer), value(tokens))
    quiet = torch.zeros_like(batch.audio_encoding.sequence)
    encoding = type(batch.audio_encoding)(quiet, batch.audio_encoding.mask, quiet[:, 0])
    assert value(tokens, audio_encoding=encoding) != value(tokens)


def test_mixed_pairs_are_left_out() -> None:
    term, encoder = masked_lm()
    term(pair_batch([0, 1, 2, 3], plain=2))
    assert len(encoder.fused[0]["ids"]) == 2


def test_text_encoder_learns_but_belongs_to_the_model() -> None:
    term, encoder = masked_lm()
    assert not term.state_dict()
    optimiser = torch.optim.Adam(encoder.parameters(), lr=0.03)
    losses = []
    for _ in range(60):
        loss = term(pair_batch([0, 1, 2]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_value_is_stable_for_extreme_logits() -> None:
    logits = torch.tensor([[1000.0, 0.0], [0.0, 1000.0]])
    assert hidden_token_loss(logits, torch.tensor([0, 0])).item() == pytest.approx(500.0)


def test_refusals() -> None:
    term, _ = masked_lm()
    with pytest.raises(DataError, match="none of 2 captions has a word"):
        term(pair_batch([0, 1], tokens=padded([[1, 2], [1, 2]])))
    with pytest.raises(RecipeError, match="masked_lm needs a text encoder with cross-attention"):
        MaskedLm(model_facts=ModelFacts(WIDTH, WIDTH, 6))
    with pytest.raises(RecipeError, match=r"share of masked_lm is 1.2\n.*above 0, at most 1"):
        masked_lm(share=1.2)
    with pytest.raises(RecipeError, match="causal of masked_lm is 1"):
        masked_lm(causal=1)
