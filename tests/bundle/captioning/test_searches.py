from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.bundle.captioning.decoding import Decoding, Written, log_softmax, run_searches
from soundseek.bundle.captioning.searches import BeamSearch, GreedySearch, NucleusSearch
from support.toy_decoder import (
    BEGIN,
    END,
    PAD,
    Toy,
    beamed,
    every_caption,
    greedy,
    repeats,
    rules,
    toy_logits,
)

SEEDS = st.integers(0, 10_000)
ALL = 200  # beams for every beginning of the small vocabularies here


def scored(written: Written, penalty: float) -> float:
    return written.total / len(written.ids) ** penalty if written.ids else -np.inf


@settings(deadline=None, max_examples=60)
@given(
    seed=SEEDS,
    penalty=st.sampled_from([-0.5, 0.0, 0.7, 1.0, 2.0]),
    least=st.integers(0, 2),
    ngram=st.integers(0, 2),
    size=st.integers(4, 5),
)
def test_with_beams_for_all_the_best_caption_of_all_is_found(
    seed: int, penalty: float, least: int, ngram: int, size: int
) -> None:
    decoding = Decoding(
        beams=ALL,
        min_tokens=least,
        max_tokens=4,
        no_repeat_ngram=ngram,
        length_penalty=penalty,
    )
    best = max(every_caption(seed, size, decoding), key=lambda one: scored(one, penalty))
    found = beamed(seed, size, decoding)
    assert found.ids == best.ids
    assert found.logs == pytest.approx(best.logs)


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, beams=st.integers(1, 4), ngram=st.integers(1, 3), least=st.integers(0, 6))
def test_no_ngram_comes_twice_and_no_caption_is_too_short_or_too_long(
    seed: int, beams: int, ngram: int, least: int
) -> None:
    decoding = Decoding(beams=beams, no_repeat_ngram=ngram, min_tokens=least, max_tokens=9)
    for written in (beamed(seed, 6, decoding), greedy(seed, 6, decoding)):
        assert not repeats(written.ids, ngram)
        assert len(written.ids) <= 9
        assert END not in written.ids[:-1]
        assert not {BEGIN, PAD} & set(written.ids)
        # Three words cannot make more than three different 1-grams: then it ends early.
        if ngram > 1:
            assert len([one for one in written.ids if one != END]) >= least


@given(seed=SEEDS)
def test_one_beam_without_length_penalty_is_greedy(seed: int) -> None:
    decoding = Decoding(beams=1, length_penalty=0.0, max_tokens=8)
    assert beamed(seed, 7, decoding) == greedy(seed, 7, decoding)


@given(seed=SEEDS)
def test_greedy_takes_the_likeliest_token_every_time(seed: int) -> None:
    decoding = Decoding(max_tokens=6)
    written = greedy(seed, 7, decoding)
    for place, (token, log) in enumerate(zip(written.ids, written.logs, strict=True)):
        logs = log_softmax(toy_logits(seed, written.ids[:place], 7))
        allowed = [3, 4, 5, 6, *([END] if place else [])]
        assert token == max(allowed, key=lambda one: logs[one])
        assert log == logs[token]


@given(seeds=st.lists(SEEDS, min_size=1, max_size=5), beams=st.integers(1, 4))
def test_a_caption_does_not_depend_on_its_neighbours(seeds: list[int], beams: int) -> None:
    decoding = Decoding(beams=beams, max_tokens=8)
    searches = [BeamSearch(rules(decoding), beams, 1.0) for _ in seeds]
    together = run_searches(searches, Toy(seeds, 7), BEGIN)
    assert together == [beamed(seed, 7, decoding) for seed in seeds]


def test_equal_logits_give_the_lower_ids() -> None:
    def level(ids: np.ndarray, clips: np.ndarray) -> np.ndarray:
        return np.zeros((len(ids), 8))

    decoding = Decoding(beams=3, min_tokens=3, max_tokens=5, length_penalty=0.0)
    for search in (GreedySearch(rules(decoding)), BeamSearch(rules(decoding), 3, 0.0)):
        # The end has the lowest id of all, so it comes as soon as it may.
        assert run_searches([search], level, BEGIN)[0].ids == (3, 3, 3, END)


def test_a_search_ends_when_nothing_can_become_better() -> None:
    def sure(ids: np.ndarray, clips: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(ids), 6))
        logits[:, 3 if ids.shape[1] == 1 else END] = 30.0
        nonlocal calls
        calls += 1
        return logits

    calls = 0
    decoding = Decoding(max_tokens=40)
    search = BeamSearch(rules(decoding), 4, 1.0)
    assert run_searches([search], sure, BEGIN)[0].ids == (3, END)
    assert calls == 2


def test_a_search_goes_on_while_a_long_caption_may_become_better() -> None:
    def late(ids: np.ndarray, clips: np.ndarray) -> np.ndarray:
        first = np.log([1e-9, 0.4, 1e-9, 0.1, *([0.05] * 10)])
        later = np.log([1e-9, 1e-6, 1e-9, 1.0, *([1e-6] * 10)])
        return np.stack([first if len(row) == 1 else later for row in ids])

    decoding = Decoding(min_tokens=0, max_tokens=5)
    search = BeamSearch(rules(decoding), 3, 1.0)
    # The end at once has -0.9 and any other beginning of two tokens -1.2 or less, but of five -0.5.
    assert run_searches([search], late, BEGIN)[0].ids == (3, 3, 3, 3, 3)


def test_where_every_token_is_forbidden_the_caption_ends_there() -> None:
    decoding = Decoding(beams=2, no_repeat_ngram=1, min_tokens=5, max_tokens=9)
    for written in (beamed(1, 5, decoding), greedy(1, 5, decoding)):
        assert sorted(written.ids) == [3, 4]  # the only words, each once


def drawn(seed: int, top_p: float, temperature: float = 1.0) -> tuple[int, ...]:
    decoding = Decoding(method="nucleus", max_tokens=8)
    generator = np.random.default_rng(seed)
    search = NucleusSearch(rules(decoding), top_p, temperature, generator)
    return run_searches([search], Toy([5], 12), BEGIN)[0].ids


def test_a_narrow_nucleus_or_a_low_temperature_is_greedy() -> None:
    best = greedy(5, 12, Decoding(max_tokens=8)).ids
    assert {drawn(seed, top_p=1e-9) for seed in range(5)} == {best}
    assert {drawn(seed, top_p=1.0, temperature=1e-300) for seed in range(5)} == {best}


def test_draws_are_those_of_the_generator_and_vary_with_it() -> None:
    assert drawn(3, top_p=0.95) == drawn(3, top_p=0.95)
    assert len({drawn(seed, top_p=0.95) for seed in range(20)}) > 5


def test_draws_follow_the_probabilities_within_the_nucleus() -> None:
    logits = np.log([1e-9, 0.1, 1e-9, 0.45, 0.35, 0.1])
    decoding = Decoding(method="nucleus", min_tokens=0, max_tokens=1)

    def step(ids: np.ndarray, clips: np.ndarray) -> np.ndarray:
        return np.tile(logits, (len(ids), 1))

    generator = np.random.default_rng(0)
    searches = [NucleusSearch(rules(decoding), 0.79, 1.0, generator) for _ in range(4000)]
    tokens = [written.ids[0] for written in run_searches(searches, step, BEGIN)]
    shares = np.bincount(tokens, minlength=6) / len(tokens)
    # 0.45 and 0.35 make up the nucleus; the others are never drawn.
    assert shares == pytest.approx([0, 0, 0, 0.45 / 0.8, 0.35 / 0.8, 0], abs=0.03)
    assert set(np.flatnonzero(shares)) == {3, 4}
