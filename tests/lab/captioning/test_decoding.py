from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from soundseek.bundle.captioning import decoding as runtime
from soundseek.bundle.captioning.rules import Rules
from soundseek.bundle.captioning.schema import CaptionText
from soundseek.bundle.captioning.searches import BeamSearch, GreedySearch
from soundseek.errors import DataError, RecipeError
from soundseek.lab.captioning.captioner import Captioner
from soundseek.lab.captioning.decoding import WrittenCaption, allowed_words, write_captions
from soundseek.lab.captioning.recipe import Decoding
from support.captioners import CAPTIONS, captioner, sounds

pytestmark = pytest.mark.lab

METHODS = ("greedy", "beam", "nucleus")


@pytest.fixture(scope="module")
def made() -> Captioner:
    return captioner()


def decoding(method: str, **changes: Any) -> Decoding:
    return Decoding(method=method, **{"max_tokens": 14, "beams": 3, **changes})


def written(made: Captioner, *steps: int, how: Decoding, **more: Any) -> list[WrittenCaption]:
    return write_captions(made, *sounds(*steps), how, **more)


def sure_of(made: Captioner, caption: WrittenCaption, steps: int) -> float:
    """The mean log probability, token by token."""
    logits = torch.nn.functional.log_softmax
    tokens = made.tokens
    sequence, mask = sounds(steps)
    states = made.encode(sequence, mask)
    entered = [tokens.eos, tokens.bos]
    found = []
    for token in (*caption.ids, tokens.eos):
        scores = logits(made.decode(states, mask, torch.tensor([entered]))[0, -1], dim=0)
        found.append(scores[token].item())
        entered.append(token)
    return sum(found) / len(found)


def test_a_greedy_search_takes_the_likeliest(made: Captioner) -> None:
    (caption,) = written(
        made, 6, how=decoding("greedy", no_repeat_ngram=0, min_tokens=0, force_bos=True)
    )
    sequence, mask = sounds(6)
    states = made.encode(sequence, mask)
    entered = [made.tokens.eos, made.tokens.bos]
    for token in caption.ids:
        logits = made.decode(states, mask, torch.tensor([entered]))[0, -1]
        # Ends within a caption, that of `max_tokens` aside, are no tokens of it.
        assert logits.argmax() == token
        entered.append(token)
    assert caption.text == made.tokens.decode([caption.ids])[0]


@pytest.mark.parametrize("method", METHODS)
def test_how_sure_it_is(made: Captioner, method: str) -> None:
    for caption in written(made, 6, how=decoding(method, force_bos=True)):
        assert caption.mean_log_probability == pytest.approx(sure_of(made, caption, 6), abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_sound_is_captioned_the_same_in_any_batch(made: Captioner, method: str) -> None:
    how = decoding(method)
    together = write_captions(made, *sounds(6, 3, 8, padding=30.0), how)
    again = write_captions(made, *sounds(6, 3, 8), how)
    assert [one.text for one in together] == [one.text for one in again]
    sequence, mask = sounds(6, 3)
    (alone,) = write_captions(made, sequence[1:, :3], mask[1:, :3], how, places=[1])
    assert alone.ids == together[1].ids
    assert alone.mean_log_probability == pytest.approx(together[1].mean_log_probability, abs=1e-4)


def test_a_nucleus_draws_by_seed_and_place(made: Captioner) -> None:
    sequence, mask = sounds(6)

    def at(place: int, seed: int = 0) -> tuple[int, ...]:
        how = decoding("nucleus", seed=seed)
        return write_captions(made, sequence, mask, how, places=[place])[0].ids

    before = torch.get_rng_state()
    assert len({at(0), at(1), at(0, seed=1)}) == 3
    assert at(1) == at(1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("method", METHODS)
def test_lengths_are_kept(made: Captioner, method: str) -> None:
    for caption in written(made, 6, 3, how=decoding(method, min_tokens=9, force_bos=True)):
        # The two that begin a caption and the end are not among its own tokens.
        assert 7 <= len(caption.ids) <= 11


@pytest.mark.parametrize("method", METHODS)
def test_no_pair_of_tokens_comes_twice(made: Captioner, method: str) -> None:
    for caption in written(made, 6, 3, how=decoding(method, no_repeat_ngram=2)):
        pairs = list(zip(caption.ids, caption.ids[1:], strict=False))
        assert len(set(pairs)) == len(pairs)


def test_a_beam_keeps_the_likeliest_beginnings(made: Captioner) -> None:
    """Against a search of plain lists, where all captions are of one length."""
    how = decoding("beam", no_repeat_ngram=0, min_tokens=9, max_tokens=10, force_bos=True)
    tokens = made.tokens
    for row, caption in enumerate(written(made, 6, 3, 8, how=how)):
        sequence, mask = (tensor[row : row + 1] for tensor in sounds(6, 3, 8))
        states = made.encode(sequence, mask)
        beams = [(0.0, [tokens.eos, tokens.bos])]
        for _ in range(7):
            wider = []
            for score, ids in beams:
                logits = made.decode(states, mask, torch.tensor([ids]))[0, -1].log_softmax(0)
                logits[tokens.eos] = float("-inf")
                wider += [(score + more, [*ids, i]) for i, more in enumerate(logits.tolist())]
            beams = sorted(wider, reverse=True)[: how.beams]
        marks = {tokens.bos, tokens.pad, tokens.eos}
        assert caption.ids == tuple(token for token in beams[0][1] if token not in marks)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("force_bos", [True, False])
def test_only_given_words_are_written(
    made: Captioner, tmp_path: Path, method: str, force_bos: bool
) -> None:
    file = tmp_path / "words.txt"
    file.write_text("a\nDog\nraincoat\nbarks\nfalls\n", encoding="utf-8")
    how = decoding(method, words=str(file), force_bos=force_bos, max_tokens=11)
    captions = written(made, 6, 3, 8, how=how, words=allowed_words(made, how))
    used = {word for caption in captions for word in caption.text.split()}
    assert used
    assert used <= {"a", "dog", "raincoat", "barks", "falls"}
    assert all(caption.text == made.tokens.decode([caption.ids])[0] for caption in captions)


@pytest.mark.parametrize("ngram", [0, 2])
@pytest.mark.parametrize(("beams", "penalty"), [(1, 1.0), (3, 0.5), (4, 1.0), (4, 2.0)])
def test_a_search_as_the_runtimes_finds_what_it_finds(
    beams: int, penalty: float, ngram: int
) -> None:
    """Of captions that end and of some that are cut; the baseline's way finds others."""
    made, steps = captioner(), range(2, 14)
    made.network.final_logits_bias[0, made.tokens.eos] = 1.0
    how = decoding("beam", beams=beams, length_penalty=penalty, no_repeat_ngram=ngram)
    settings = runtime.Decoding(
        beams=beams, min_tokens=3, max_tokens=12, no_repeat_ngram=ngram, length_penalty=penalty
    )
    tokens, (sequence, mask) = made.tokens, sounds(*steps)
    sequence = sequence * 8.0  # so that captions differ
    rules = Rules(settings, CaptionText(tokens.bos, tokens.eos, tokens.pad, 30), None)
    states = made.encode(sequence, mask)

    def step(ids: np.ndarray, clips: np.ndarray) -> np.ndarray:
        entered = torch.from_numpy(np.insert(ids, 0, tokens.eos, axis=1))
        with torch.no_grad():
            logits = made.decode(states[clips], mask[clips], entered)
        return logits[:, -1].numpy()

    searches = [
        GreedySearch(rules) if beams == 1 else BeamSearch(rules, beams, penalty) for _ in steps
    ]
    expected = runtime.run_searches(searches, step, tokens.bos)
    as_runtime = how.model_copy(update={"search": "runtime"})
    found = write_captions(made, sequence, mask, as_runtime)
    for one, other in zip(found, expected, strict=True):
        assert one.ids == tuple(token for token in other.ids if token != tokens.eos)
        assert one.mean_log_probability == pytest.approx(other.mean, abs=1e-4)
    assert beams == 1 or len({len(one.ids) for one in found}) > 1
    others = write_captions(made, sequence, mask, how)
    assert beams == 1 or [one.ids for one in others] != [one.ids for one in found]


def test_words_are_only_asked_for_where_the_recipe_does(made: Captioner, tmp_path: Path) -> None:
    assert allowed_words(made, decoding("beam")) is None
    with pytest.raises(RecipeError, match=r"decoding\.words"):
        allowed_words(made, decoding("beam", words=str(tmp_path / "absent.txt")))


def test_a_captioner_in_training_is_so_afterwards() -> None:
    made = captioner()
    made.train()
    first = written(made, 6, how=decoding("greedy"))
    assert made.training
    assert [dataclasses.astuple(one) for one in first] == [
        dataclasses.astuple(one) for one in written(made.eval(), 6, how=decoding("greedy"))
    ]


def test_what_cannot_be_captioned_is_refused(made: Captioner) -> None:
    sequence, mask = sounds(4, 4)
    with pytest.raises(DataError, match="1 places for 2"):
        write_captions(made, sequence, mask, decoding("beam"), places=[0])
    mask[1] = False
    with pytest.raises(DataError, match="without a step"):
        write_captions(made, sequence, mask, decoding("beam"))


def test_what_was_learnt_is_written() -> None:
    made = captioner(dropout=0.0)
    sequence, mask = sounds(6, 3, 8, 5)
    ids, _ = made.tokens.encode(CAPTIONS)
    optimiser = torch.optim.AdamW(made.parameters(), lr=5e-3)
    for _ in range(120):
        optimiser.zero_grad()
        made.loss(sequence, mask, ids).backward()
        optimiser.step()
    expected = made.tokens.decode(ids)
    for how in (decoding("greedy", max_tokens=40), decoding("beam", max_tokens=40)):
        found = write_captions(made, sequence, mask, how)
        assert [one.text for one in found] == expected
        assert min(one.mean_log_probability for one in found) > -0.2
