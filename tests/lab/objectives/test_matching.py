from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab.encodings import Tokens
from soundseek.lab.objectives.matching import Matching, draw_hard_negatives, matching_loss
from soundseek.lab.objectives.table import ModelFacts
from support.pair_batches import WIDTH, TinyFusing, pair_batch, vectors

pytestmark = pytest.mark.lab

GROUPS = st.lists(st.integers(0, 4), min_size=2, max_size=7).filter(lambda g: len(set(g)) > 1)


def matching(encoder: TinyFusing | None = None, **options: float) -> tuple[Matching, TinyFusing]:
    torch.manual_seed(3)
    encoder = encoder or TinyFusing()
    facts = ModelFacts(WIDTH, WIDTH, 6, encoder)
    return Matching(model_facts=facts, **options), encoder


@settings(max_examples=80, deadline=None)
@given(GROUPS, st.integers(0, 99), st.sampled_from([0.001, 0.07, 10.0]))
def test_hard_negatives_are_of_other_groups(
    groups: list[int], seed: int, temperature: float
) -> None:
    audio, text = vectors(seed, len(groups))
    ids = torch.tensor(groups)
    generator = torch.Generator().manual_seed(seed)
    for side in draw_hard_negatives(audio @ text.T, ids, generator, temperature):
        assert (ids[side] != ids).all()


def test_draws_follow_the_softmax_over_negatives() -> None:
    scores = torch.tensor([[9.0, 9.0, 0.1, 0.2], [0.0] * 4, [0.3] + [0.0] * 3, [0.0] * 4])
    groups = torch.tensor([0, 0, 1, 2])
    generator = torch.Generator().manual_seed(1)
    draws = [draw_hard_negatives(scores, groups, generator, 0.1) for _ in range(4000)]
    texts = torch.stack([draw.text[0] for draw in draws]).bincount(minlength=4) / 4000
    sounds = torch.stack([draw.audio[0] for draw in draws]).bincount(minlength=4) / 4000
    # Row 0 has logits 1 and 2 for texts 2 and 3, column 0 has 3 and 0 for sounds 2 and 3.
    near, far = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-3))
    torch.testing.assert_close(texts, torch.tensor([0, 0, 1 - near, near]), rtol=0, atol=0.03)
    torch.testing.assert_close(sounds, torch.tensor([0, 0, far, 1 - far]), rtol=0, atol=0.03)


def test_a_cold_draw_takes_the_hardest() -> None:
    audio, text = vectors(2, 6)
    scores = audio @ text.T
    groups = torch.tensor([0, 1, 1, 2, 3, 0])
    hardest = scores.masked_fill(groups[:, None] == groups, -torch.inf)
    drawn = draw_hard_negatives(scores, groups, torch.Generator().manual_seed(0), 1e-4)
    assert torch.equal(drawn.text, hardest.argmax(1))
    assert torch.equal(drawn.audio, hardest.argmax(0))


def test_loss_by_hand() -> None:
    value = matching_loss(torch.tensor([2.0]), torch.tensor([0.0, -1.0]))
    sigmoid = [1 / (1 + math.exp(-x)) for x in (2.0, 0.0, -1.0)]
    expected = -(math.log(sigmoid[0]) + math.log(1 - sigmoid[1]) + math.log(1 - sigmoid[2])) / 3
    assert value.item() == pytest.approx(expected)
    extreme = matching_loss(torch.tensor([-500.0]), torch.tensor([500.0]))
    assert extreme.item() == pytest.approx(500.0)


def test_pairs_are_n_matched_and_2n_hard_negatives() -> None:
    term, encoder = matching()
    batch = pair_batch([0, 1, 1, 2, 3])
    value = term(batch)
    (call,) = encoder.fused
    drawn = draw_hard_negatives(
        batch.audio @ batch.text.T, batch.groups, torch.Generator().manual_seed(0)
    )
    own = torch.arange(5)
    assert torch.equal(call["ids"], batch.tokens.ids[torch.cat([own, drawn.text, own])])
    sounds = torch.cat([own, own, drawn.audio])
    assert torch.equal(call["audio"], batch.audio_encoding.sequence[sounds])
    assert call["causal"] is False
    texts = torch.cat([own, drawn.text, own])
    logits = term.match_logits(
        Tokens(batch.tokens.ids[texts], batch.tokens.mask[texts]),
        batch.audio_encoding.sequence[sounds],
        batch.audio_encoding.mask[sounds],
    )
    assert logits.shape == (15,)
    torch.testing.assert_close(value, matching_loss(logits[:5], logits[5:]))


def test_mixed_pairs_are_left_out() -> None:
    """Those behind `plain` have no words: whatever stands there, nothing changes."""
    term, _ = matching()
    batch = pair_batch([0, 1, 2, 3, 4])
    mixed = replace(batch, plain=3, generator=torch.Generator().manual_seed(5))
    short = pair_batch([0, 1, 2, 3, 4], plain=3, generator=torch.Generator().manual_seed(5))
    encoding, tokens = short.audio_encoding, short.tokens
    short = replace(
        short,
        audio_encoding=replace(
            encoding,
            sequence=encoding.sequence[:3],
            mask=encoding.mask[:3],
            pooled=encoding.pooled[:3],
        ),
        tokens=Tokens(tokens.ids[:3], tokens.mask[:3]),
    )
    torch.testing.assert_close(term(mixed), term(short))


def test_same_generator_same_value() -> None:
    term, _ = matching(temperature=10.0)
    values = [
        term(pair_batch(range(8), generator=torch.Generator().manual_seed(seed))).item()
        for seed in (1, 1, 2)
    ]
    assert values[0] == values[1] != values[2]


def test_text_encoder_learns_but_belongs_to_the_model() -> None:
    term, encoder = matching(hidden=5)
    assert set(term.state_dict()) == {
        f"head.{i}.{p}" for i in (0, 2, 3) for p in ("weight", "bias")
    }
    assert term.head[0].weight.shape == (5, WIDTH)
    audio = pair_batch([0, 1, 2]).audio.requires_grad_()
    term(pair_batch([0, 1, 2], audio=audio)).backward()
    assert encoder.words.weight.grad is not None
    assert encoder.words.weight.grad.abs().sum() > 0
    assert audio.grad is None, "the draw must not carry a gradient"


def test_learns_to_tell_pairs_apart() -> None:
    """A caption word per clip, a sound per clip: the head and the encoder can pair them."""
    term, encoder = matching()
    batch = pair_batch(range(4))
    optimiser = torch.optim.Adam([*term.parameters(), *encoder.parameters()], lr=0.03)
    first = term(batch).item()
    for _ in range(80):
        optimiser.zero_grad()
        term(batch).backward()
        optimiser.step()
    assert term(batch).item() < 0.5 * first


def test_refusals() -> None:
    with pytest.raises(DataError, match="one distinct clip"):
        matching()[0](pair_batch([0, 0, 1], plain=2))
    with pytest.raises(RecipeError, match="matching needs a text encoder with cross-attention"):
        Matching(model_facts=ModelFacts(WIDTH, WIDTH, 6))
    with pytest.raises(RecipeError, match=r"hidden of matching is 4.5\n.*whole number"):
        matching(hidden=4.5)
    with pytest.raises(RecipeError, match=r"temperature of matching is 0\n.*above 0"):
        matching(temperature=0)
