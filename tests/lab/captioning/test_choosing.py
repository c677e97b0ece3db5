from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from soundseek.lab.captioning.choosing import ByChance, OnlyAllowedWords
from soundseek.lab.captioning.words import AllowedWords
from support.captioners import tokens

pytestmark = pytest.mark.lab

PAIRS = tokens()
START = torch.tensor([[PAIRS.eos]])
LOGITS = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()


def drawn(count: int, *, top_p: float = 1.0, temperature: float = 1.0) -> torch.Tensor:
    """How often each of four tokens is chosen."""
    rule = ByChance(range(count), seed=3, top_p=top_p, temperature=temperature)
    return rule(START, LOGITS.expand(count, 4)).argmax(1).bincount(minlength=4) / count


def test_draws_follow_the_probabilities() -> None:
    assert drawn(4000).tolist() == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)
    colder = (LOGITS / 0.5).softmax(0)
    assert drawn(4000, temperature=0.5).tolist() == pytest.approx(colder.tolist(), abs=0.03)


def test_only_the_nucleus_is_drawn_from() -> None:
    assert drawn(4000, top_p=0.7).tolist() == pytest.approx([0.625, 0.375, 0, 0], abs=0.03)
    assert drawn(50, top_p=0.01).tolist() == [1, 0, 0, 0]


def test_a_draw_hangs_on_seed_place_and_step_alone() -> None:
    logits = torch.zeros(3, 50)

    def draws(*places: int, seed: int = 3) -> list[list[int]]:
        rule = ByChance(places, seed=seed, top_p=0.9, temperature=1.0)
        steps = [rule(START, logits[: len(places)]).argmax(1) for _ in range(4)]
        return torch.stack(steps, dim=1).tolist()

    first, second, third = draws(0, 1, 2)
    assert draws(2, 1) == [third, second]
    assert len({*map(tuple, (first, second, third, *draws(0, seed=4)))}) == 4
    assert all(len(set(row)) > 1 for row in (first, second, third))


def test_what_is_not_allowed_has_no_score() -> None:
    rule = OnlyAllowedWords(AllowedWords(PAIRS, ["dog", "rain"]), bos=PAIRS.bos, eos=PAIRS.eos)
    scores = torch.randn(1, PAIRS.vocabulary)

    def left(*ids: int) -> set[int]:
        narrowed = rule(torch.tensor([[PAIRS.eos, *ids]]), scores)
        kept = narrowed.isfinite()
        assert torch.equal(narrowed[kept], scores[kept])
        return set(kept[0].nonzero().flatten().tolist())

    dog, rain = PAIRS.pieces("dog"), PAIRS.pieces("rain")
    starts = {dog[0], rain[0]}
    assert left() == starts | {PAIRS.bos}
    assert left(PAIRS.bos) == starts
    assert left(PAIRS.bos, *dog) == starts | {PAIRS.eos}
    assert left(*dog) == starts | {PAIRS.eos}
    assert len(left(*dog, PAIRS.eos)) == PAIRS.vocabulary


def test_where_nothing_is_left_the_caption_ends() -> None:
    rule = OnlyAllowedWords(AllowedWords(PAIRS, ["dog"]), bos=PAIRS.bos, eos=PAIRS.eos)
    scores = torch.full((1, PAIRS.vocabulary), float("-inf"))
    assert rule(torch.tensor([[PAIRS.eos, PAIRS.bos]]), scores).argmax() == PAIRS.eos
