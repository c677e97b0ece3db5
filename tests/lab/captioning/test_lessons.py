from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.lab.captioning.lessons import Lesson, LessonMaker
from soundseek.lab.captioning.recipe import CaptionObjective
from soundseek.lab.captioning.stage import Learner
from soundseek.lab.retrieval.lessons import Division
from soundseek.lab.training.pairs import Pair, PairOrder
from support.captioners import WIDTH, captioner, tokens

pytestmark = pytest.mark.lab

WHOLE = Division()
COUNTS = (3, 1, 5, 2, 4, 2, 1, 3)
Maker = Callable[..., LessonMaker]


@pytest.fixture(scope="session")
def maker(small: Callable[..., Any], heard_part: Callable[..., Any]) -> Maker:
    """Return maker(division, batch, part, **recipe's differences)."""

    def made(
        division: Division = WHOLE, batch: int = 8, part: Any = None, **changes: Any
    ) -> LessonMaker:
        recipe = small("soundseek/captions", **changes)
        part = heard_part(COUNTS, width=WIDTH) if part is None else part
        order = PairOrder(part.clips, each=True, batch=batch, seed=recipe.seed)
        return LessonMaker(part, tokens(), recipe, order, division)

    return made


@settings(max_examples=25, deadline=None)
@given(
    processes=st.sampled_from([1, 2, 4]),
    accumulate=st.sampled_from([1, 2]),
    step=st.integers(0, 8),
)
def test_the_portions_are_the_batch(
    maker: Maker, processes: int, accumulate: int, step: int
) -> None:
    """Their noise included."""
    (whole,) = maker().lessons(step)
    divided = [
        maker(Division(rank, processes, accumulate)).lessons(step) for rank in range(processes)
    ]
    portions = [lessons[turn] for turn in range(accumulate) for lessons in divided]
    assert [clip for portion in portions for clip in portion.clips] == whole.clips
    assert [text for portion in portions for text in portion.texts] == whole.texts
    assert whole.steps is not None
    row = 0
    for portion in portions:
        assert portion.steps is not None
        for steps in portion.steps:
            assert torch.equal(steps, whole.steps[row, : len(steps)])
            row += 1


@pytest.mark.parametrize("pads_in_loss", [False, True])
@pytest.mark.parametrize(("processes", "accumulate"), [(1, 2), (2, 1), (2, 2), (1, 4)])
def test_portions_give_the_mean_over_the_tokens_of_the_batch(
    maker: Maker, processes: int, accumulate: int, pads_in_loss: bool
) -> None:
    """Though they have different numbers of tokens."""
    objective = {"pads_in_loss": pads_in_loss, "label_smoothing": 0.1}
    model = type("Model", (), {"audio": torch.nn.Identity(), "captioner": captioner()})()
    model.device = torch.device("cpu")
    made = maker(objective=objective)
    learner = Learner(model, CaptionObjective.model_validate(objective))

    def loss(lesson: Lesson) -> float:
        return learner(lesson)["cross_entropy"].item()

    (whole,) = made.lessons(1)
    portions = [
        lesson
        for rank in range(processes)
        for lesson in maker(Division(rank, processes, accumulate), objective=objective).lessons(1)
    ]
    expected = loss(whole)
    assert sum(map(loss, portions)) / len(portions) == pytest.approx(expected, rel=1e-5)
    for lesson in portions:
        lesson.tokens = None
    plain = sum(map(loss, portions)) / len(portions)
    # With pads all portions have as many tokens.
    assert (plain == pytest.approx(expected, rel=1e-5)) == pads_in_loss


def cosines(noisy: Lesson, plain: Lesson, width: int) -> torch.Tensor:
    assert noisy.steps is not None
    assert plain.steps is not None
    assert plain.mask is not None
    pair = (noisy.steps[..., :width][plain.mask], plain.steps[..., :width][plain.mask])
    return torch.nn.functional.cosine_similarity(*pair, dim=1)


def both(made: LessonMaker, step: int = 0) -> tuple[Lesson, Lesson]:
    """A lesson of training, and the same captions without noise."""
    (noisy,) = made.lessons(step)
    order = made.order.epoch(0)
    return noisy, made.plain(order[step])


def test_noise_turns_a_step_and_keeps_its_length(maker: Maker, heard_part: Any) -> None:
    width, part = 512, heard_part([4, 6, 2, 9], width=512)
    seen = []
    for noise in (0.1, 0.3, 1.0):
        noisy, plain = both(maker(part=part, batch=4, audio={"noise": noise}))
        assert noisy.steps is not None
        assert plain.steps is not None
        torch.testing.assert_close(noisy.steps.norm(dim=2), plain.steps.norm(dim=2))
        found = cosines(noisy, plain, width)
        # A random vector stands at a right angle to any other, nearly.
        torch.testing.assert_close(
            found, torch.full_like(found, (1 + noise**2) ** -0.5), atol=0.06, rtol=0
        )
        seen.append(found.mean().item())
    assert seen == sorted(seen, reverse=True)


def test_steps_of_silence_and_padding_stay_so(maker: Maker, heard_part: Any) -> None:
    part = heard_part([4, 6, 2, 9], width=8)
    part.heard.steps[0] = 0.0
    noisy, plain = both(maker(part=part, batch=8, audio={"noise": 0.5}))
    assert noisy.steps is not None
    assert plain.steps is not None
    still = plain.steps.norm(dim=2) == 0
    assert still.any()
    assert (noisy.steps[still] == 0).all()
    assert not torch.equal(noisy.steps, plain.steps)


def test_noise_depends_on_seed_and_step_alone(maker: Maker) -> None:
    first, again, other = maker(), maker(), maker(seed=2)
    for step in (0, 1, 3):
        (one,), (same,), (different,) = (made.lessons(step) for made in (first, again, other))
        assert one.steps is not None
        assert same.steps is not None
        assert torch.equal(one.steps, same.steps)
        assert one.texts != different.texts
    # An epoch later a caption comes with other noise.
    by_text: dict[str, list[torch.Tensor]] = {}
    for step in range(2 * first.order.batches):
        (lesson,) = first.lessons(step)
        assert lesson.steps is not None
        for text, steps in zip(lesson.texts, lesson.steps, strict=True):
            by_text.setdefault(text, []).append(steps[0])
    assert not torch.equal(*by_text["sound 3"])


def test_texts_get_the_noise_of_texts(maker: Maker, heard_part: Any) -> None:
    part = heard_part([1] * 10, width=256, texts=4)
    found: dict[bool, list[float]] = {True: [], False: []}
    made = maker(part=part, batch=10, audio={"noise": 0.1}, texts={"noise": 0.8})
    for step in range(2):
        noisy, plain = both(made, step)
        for clip, cosine in zip(noisy.clips, cosines(noisy, plain, 256).tolist(), strict=True):
            found[clip >= 6].append(cosine)
    assert len(found[True]) + len(found[False]) == 20
    assert found[True] == pytest.approx([(1 + 0.8**2) ** -0.5] * 8, abs=0.1)
    assert found[False] == pytest.approx([(1 + 0.1**2) ** -0.5] * 12, abs=0.02)


def test_without_noise_nothing_moves(maker: Maker) -> None:
    noisy, plain = both(maker(audio={"noise": 0.0}, texts={"noise": 0.0}))
    assert noisy.steps is not None
    assert plain.steps is not None
    assert torch.equal(noisy.steps, plain.steps)


def test_events_do_not_move(maker: Maker, heard_part: Any) -> None:
    part = heard_part(COUNTS, width=6, events=3)
    noisy, plain = both(maker(part=part, audio={"noise": 0.4}))
    assert noisy.steps is not None
    assert plain.steps is not None
    assert torch.equal(noisy.steps[..., 6:], plain.steps[..., 6:])
    assert not torch.equal(noisy.steps[..., :6], plain.steps[..., :6])
    assert plain.steps[..., 6:].abs().sum() > 0


def test_a_lesson_has_what_is_to_be_written(maker: Maker) -> None:
    made = maker()
    (lesson,) = made.lessons(0)
    own = tokens()
    assert own.decode(lesson.ids) == lesson.texts
    for clip, text in zip(lesson.clips, lesson.texts, strict=True):
        assert text in made.part.clips[clip].captions
    assert lesson.mask is not None
    assert lesson.mask.sum(1).tolist() == [COUNTS[clip] for clip in lesson.clips]


def test_sounds_that_are_heard_in_the_batch_are_cut_by_chance(
    maker: Maker, heard_part: Any, make_store: Any
) -> None:
    part = heard_part(COUNTS)
    ramps = [np.linspace(0.1, 0.9, 8000) for _ in COUNTS]
    sounds = replace(part.sounds, store=make_store(ramps), least=100, most=1000)
    part = replace(part, heard=None, sounds=sounds)
    made = maker(part=part, audio={"noise": 0.0})
    (first,), (again,) = made.lessons(0), made.lessons(0)
    assert first.waveforms is not None
    assert again.waveforms is not None
    assert torch.equal(first.waveforms, again.waveforms)
    assert len(set(first.waveforms[:, 0].tolist())) > 4
    plain = made.plain(made.order.epoch(0)[0])
    assert plain.waveforms is not None
    assert plain.waveforms[:, 0].tolist() == pytest.approx([0.1] * 8, abs=1e-3)


def test_what_cannot_be_read_is_left_out_of_plain_lessons(maker: Maker, heard_part: Any) -> None:
    part = replace(heard_part(COUNTS), heard=None)
    part.sounds.store.failures["c1"] = "no sound"
    made = maker(part=part)
    lesson = made.plain([Pair(0, 1, 0), Pair(1, 0, 1), Pair(2, 0, 2)])
    assert lesson.clips == [0, 2]
    assert lesson.waveforms is not None
    assert len(lesson.waveforms) == len(lesson.ids) == 2
    assert made.plain([Pair(1, 0, 0)]).clips == []


@pytest.mark.parametrize(
    ("division", "batch"),
    [(Division(accumulate=3), 8), (Division(processes=3), 8), (Division(0, 3, 3), 64)],
)
def test_what_cannot_be_divided_is_told(maker: Maker, division: Division, batch: int) -> None:
    with pytest.raises(DataError, match=r"captions: they cannot be divided into \d portions"):
        maker(division, batch)
