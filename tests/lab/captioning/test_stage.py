from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from soundseek.errors import DataError
from soundseek.lab.captioning.build import build_model
from soundseek.lab.captioning.clips import captioned_sets
from soundseek.lab.captioning.prepare import prepare_part
from soundseek.lab.captioning.stage import FIGURES, TERM, CaptioningStage, Learner, sound_of
from soundseek.lab.devices import open_fabric
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.run_loggers import open_loggers
from soundseek.lab.training.pairs import Pair
from soundseek.lab.training.tables import Tables
from support.captioners import CAPTIONS
from support.retrieval import silent

pytestmark = pytest.mark.lab

BASELINE, CRNN = "cmu2022/captioning_baseline", "cmu2022/captioning_crnn"
StageOf = Callable[..., CaptioningStage]


@pytest.fixture
def stage_of(small: Callable[..., Any], tmp_path: Path) -> StageOf:
    """Return stage_of(name, **differences) → a stage of that recipe, nothing learnt."""

    def made(name: str = BASELINE, **changes: Any) -> CaptioningStage:
        recipe = small(name, **changes)
        clips = captioned_sets(recipe, silent)
        model = build_model(recipe, CAPTIONS)
        cache = tmp_path / "cache"
        parts = [
            prepare_part(part, getattr(clips, part), recipe, model, cache, silent)
            for part in ("train", "validation")
        ]
        folder = RunFolder.claim(tmp_path / "run", recipe)
        loggers = open_loggers(
            (), tmp_path, run_name="x", config={}, resumed_step=0, options={}, say=silent
        )
        return CaptioningStage(
            recipe,
            model,
            *parts,
            folder,
            Tables(folder, loggers, terms=(TERM,), figures=FIGURES),
            silent,
            fabric=open_fabric("cpu", 1, "fp32"),
        )

    return made


@pytest.mark.parametrize("name", [BASELINE, CRNN])
@pytest.mark.parametrize(
    "objective",
    [
        {"label_smoothing": 0.0, "pads_in_loss": False},
        {"label_smoothing": 0.3, "pads_in_loss": False},
        {"label_smoothing": 0.0, "pads_in_loss": True},
    ],
)
def test_the_loss_is_that_of_the_objective(
    stage_of: StageOf, name: str, objective: dict[str, Any]
) -> None:
    stage = stage_of(name, objective=objective, optimiser={"accumulate": 1})
    (lesson,) = stage.lessons(0)
    stage.model.eval()
    loss = stage.weighted(Learner(stage.model, stage.recipe.objective)(lesson))
    sequence, mask = sound_of(stage.model, lesson)
    captioner = stage.model.captioner
    torch.testing.assert_close(loss, captioner.loss(sequence, mask, lesson.ids, **objective))
    other = {"label_smoothing": 0.1, "pads_in_loss": not objective["pads_in_loss"]}
    assert loss != captioner.loss(sequence, mask, lesson.ids, **other)


@pytest.mark.parametrize("pads_in_loss", [False, True])
@pytest.mark.parametrize("name", [BASELINE, CRNN])
def test_the_validation_loss_is_the_mean_over_every_token(
    stage_of: StageOf, name: str, pads_in_loss: bool
) -> None:
    """Whatever the batch and the smoothing; against one caption after the other."""
    objective = {"pads_in_loss": pads_in_loss, "label_smoothing": 0.2}
    stage = stage_of(name, objective=objective)
    model, part = stage.model.eval(), stage.validation
    total, count = 0.0, 0
    for number, clip in enumerate(part.clips):
        for caption, text in enumerate(clip.captions):
            sequence, mask = sound_of(model, stage.judged.plain([Pair(number, caption, 0)]))
            ids = model.captioner.tokens.encode([text]).ids
            with torch.no_grad():
                logits = model.captioner(sequence, mask, ids).log_softmax(2)[0]
            losses = -logits[range(ids.shape[1]), ids[0]]
            if pads_in_loss:
                found = model.captioner.token_losses(sequence, mask, ids, pads_in_loss=True)
                losses = found.sums.detach() / model.captioner.tokens.max_tokens
                losses = losses.expand(model.captioner.tokens.max_tokens)
            total, count = total + float(losses.sum()), count + len(losses)
    figures = stage.figures()
    assert count > 15 * 5
    assert figures["loss"] == pytest.approx(total / count, rel=1e-5)
    assert figures["perplexity"] == pytest.approx(math.exp(total / count), rel=1e-4)
    other = stage_of(name, objective=objective, optimiser={"batch": 4, "accumulate": 1})
    assert other.figures()["loss"] == pytest.approx(figures["loss"], rel=1e-5)


def test_validation_changes_nothing_of_a_step(stage_of: StageOf) -> None:
    """No weight, and nothing that is drawn."""
    losses = []
    for validates in (False, True):
        stage = stage_of(CRNN)
        if validates:
            before = {name: one.clone() for name, one in stage.model.state_dict().items()}
            stage.figures()
            assert all(one.equal(before[name]) for name, one in stage.model.state_dict().items())
        means = stage.learn(stage.lessons(0))
        assert means is not None
        losses.append(means["loss"])
        assert stage.model.captioner.training
    assert losses[0] == losses[1]


def test_a_frozen_encoder_rests_in_a_step(stage_of: StageOf) -> None:
    stage = stage_of(BASELINE)
    before = {name: one.clone() for name, one in stage.model.state_dict().items()}
    stage.learn(stage.lessons(0))
    assert not stage.model.audio.encoder.training
    changed = {
        name.split(".")[0]
        for name, one in stage.model.state_dict().items()
        if not one.equal(before[name])
    }
    assert changed == {"captioner"}


def test_validation_clips_that_turn_out_to_be_unreadable_do_not_count(stage_of: StageOf) -> None:
    whole = stage_of(CRNN).figures()["loss"]
    stage = stage_of(CRNN)
    bad = stage.validation.clips[2].id
    stage.validation.sounds.store.failures[bad] = "no sound"
    without = stage.figures()["loss"]
    assert without != whole
    stage.validation.sounds.store.failures.clear()
    pairs = [pair for batch in stage._judged_batches() for pair in batch]
    kept = [pair for pair in pairs if stage.validation.clips[pair.clip].id != bad]
    assert (len(pairs), len(kept)) == (15, 12)
    sequence, mask = sound_of(stage.model, lesson := stage.judged.plain(kept))
    with torch.no_grad():
        expected = stage.model.captioner.loss(sequence, mask, lesson.ids, pads_in_loss=True)
    assert without == pytest.approx(float(expected), rel=1e-5)
    failures = {clip.id: "no sound" for clip in stage.validation.clips}
    stage.validation.sounds.store.failures.update(failures)
    assert bad in stage.left_out()
    with pytest.raises(DataError, match="none of the 5 clips of validation"):
        stage.figures()


def test_a_loss_that_is_not_finite_is_told(stage_of: StageOf) -> None:
    stage = stage_of(BASELINE)
    lesson = stage.lessons(0)[0]
    assert lesson.steps is not None
    lesson.steps[0, 0, 0] = torch.inf
    with pytest.raises(DataError, match="cross_entropy is nan"):
        stage.learner(lesson)


def test_a_refused_batch_names_clips_and_captions(stage_of: StageOf) -> None:
    stage = stage_of(BASELINE)
    lessons = stage.lessons(0)
    clips, texts = stage.contents(lessons)
    assert len(lessons) == 2
    assert len(clips) == len(texts) == 6
    captions = {clip.id: clip.captions for clip in stage.train.clips}
    assert all(text in captions[clip] for clip, text in zip(clips, texts, strict=True))
