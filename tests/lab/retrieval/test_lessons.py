"""How the batch of a step is divided, and what its portions add up to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.lab.augment.pipeline import TextResources
from soundseek.lab.objectives.nt_xent import NtXent
from soundseek.lab.retrieval import stage as staging
from soundseek.lab.retrieval import train
from soundseek.lab.retrieval.batches import BatchMaker, Sounds
from soundseek.lab.retrieval.lessons import Division, LessonMaker
from soundseek.lab.retrieval.prepare import Part
from soundseek.lab.retrieval.recipe import Augment
from soundseek.lab.training.pairs import PairOrder
from support.retrieval import Document, noise, rows, silent

pytestmark = pytest.mark.lab

RecipeOf = Callable[..., Any]
Maker = Callable[..., LessonMaker]


@pytest.fixture(scope="session")
def lesson_maker(make_clip: Callable[..., Any], make_store: Callable[..., Any]) -> Maker:
    """Return lesson_maker(division, batch, clips, bucket) → over clips of two captions each."""

    def made(division: Division, batch: int = 8, n: int = 12, bucket: Any = None) -> LessonMaker:
        clips = [
            make_clip(f"c{i}", [f"one {i}", f"two {i}"], duration_s=0.05 + 0.01 * i)
            for i in range(n)
        ]
        store = make_store([noise(clip.duration_s, 16000, i) for i, clip in enumerate(clips)])
        sounds = Sounds.of(clips, store, least=100, most=3000)
        order = PairOrder(clips, each=True, batch=batch, seed=1, bucket=bucket)
        maker = BatchMaker(sounds, Augment(), TextResources(), 1)
        return LessonMaker(Part(sounds, None), maker, [], order, division, seed=1, before=0)

    return made


@settings(max_examples=25, deadline=None)
@given(
    processes=st.sampled_from([1, 2, 4]),
    accumulate=st.sampled_from([1, 2]),
    step=st.integers(0, 8),
    bucket=st.sampled_from([None, 2]),
)
def test_the_portions_are_the_batch(
    lesson_maker: Maker, processes: int, accumulate: int, step: int, bucket: int | None
) -> None:
    """Portion after portion, in the order of the processes; the chance that all share is one."""
    (whole,) = lesson_maker(Division(), bucket=bucket).lessons(step)
    each = [
        lesson_maker(Division(rank, processes, accumulate), bucket=bucket).lessons(step)
        for rank in range(processes)
    ]
    clips, captions = [], []
    for turn in range(accumulate):
        for lessons in each:
            batch = lessons[turn].batch
            assert len(batch.clips) == 8 // (processes * accumulate)
            clips += batch.clips
            captions += batch.captions
    assert clips == whole.batch.clips
    assert captions == whole.batch.captions
    shared = {lessons[0].shared_chance.initial_seed() for lessons in each}
    own = {lessons[0].own_chance.initial_seed() for lessons in each}
    assert len(shared) == 1
    assert len(own) == processes
    assert not shared & own


def test_portions_of_a_small_epoch_are_of_what_there_is(lesson_maker: Maker) -> None:
    """Six pairs for batches of 32."""
    lessons = lesson_maker(Division(accumulate=2), batch=32, n=3).lessons(0)
    assert [len(lesson.batch.clips) for lesson in lessons] == [3, 3]


@pytest.mark.parametrize(
    ("division", "batch", "n"),
    [
        (Division(accumulate=3), 8, 12),
        (Division(processes=3), 8, 12),
        (Division(processes=2, accumulate=2), 32, 3),
        (Division(processes=4), 32, 1),
    ],
)
def test_what_cannot_be_divided_is_told(
    lesson_maker: Maker, division: Division, batch: int, n: int
) -> None:
    smallest = min(batch, 2 * n)
    told = rf"{smallest} pairs.*{division.portions} portions\n.*accumulate or run.devices"
    with pytest.raises(DataError, match=told):
        lesson_maker(division, batch, n)


def test_portions_give_the_mean_of_their_gradients(
    document: Document, recipe_of: RecipeOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a loss that is a mean over pairs, each by itself, that is the gradient of the batch: with
    frozen encoders, whose norms and dropout would see the batch."""

    def each_by_itself(self: Any, batch: Any) -> torch.Tensor:
        value: torch.Tensor = (batch.audio - batch.text).square().sum(1).mean()
        return value

    monkeypatch.setattr(NtXent, "forward", each_by_itself)
    gradients: list[dict[str, torch.Tensor]] = []
    real = staging.Stage._clip

    def watched(self: Any) -> Any:
        found = self.learner.named_parameters()
        gradients.append({name: p.grad.clone() for name, p in found if p.grad is not None})
        return real(self)

    monkeypatch.setattr(staging.Stage, "_clip", watched)
    found = []
    for accumulate in (1, 2, 3):
        gradients.clear()
        recipe = recipe_of(
            document,
            audio={"frozen": True},
            text={"frozen": True},
            optimiser={"accumulate": accumulate, "max_steps": 2},
        )
        train.train(recipe, tmp_path / str(accumulate), silent)
        losses = [float(row["loss"]) for row in rows(tmp_path / str(accumulate) / "metrics.csv")]
        found.append((dict(gradients[0]), losses))
    (whole, losses), *divided = found
    assert any(float(value.abs().max()) > 1e-3 for value in whole.values())
    for gradient, others in divided:
        assert others == pytest.approx(losses, rel=1e-4)
        assert set(gradient) == set(whole)
        for name, value in whole.items():
            torch.testing.assert_close(gradient[name], value, rtol=1e-3, atol=1e-6, msg=name)
