"""A stage of the trainer, ready to learn, and what it learns from."""

from __future__ import annotations

from pathlib import Path

import torch

from soundseek.lab.augment.pipeline import TextResources
from soundseek.lab.devices import open_fabric
from soundseek.lab.retrieval.batches import BatchMaker, Sounds
from soundseek.lab.retrieval.build import build_model, build_objective
from soundseek.lab.retrieval.figures import retrieval_tables
from soundseek.lab.retrieval.learner import Lesson
from soundseek.lab.retrieval.lessons import Division, LessonMaker
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.prepare import Part
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.retrieval.stage import Material, Stage
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.run_loggers import open_loggers
from soundseek.lab.training.pairs import PairOrder
from training_parts.children import silence
from training_parts.corpus import caption, listed, noise_store, words

_WORDS = 40_000  # of which a tokenizer can learn as many tokens as the public models have


def built(recipe: RetrievalRecipe, clips: int) -> RetrievalModel:
    """The model of a recipe, the same weights each time, laid out as the trainer has it."""
    texts = [caption(number) for number in range(clips)]
    if recipe.text.model is not None:
        made_up = words(_WORDS, seed=0)
        texts += [" ".join(made_up[start : start + 10]) for start in range(0, _WORDS, 10)]
    model = build_model(recipe, texts)
    model.audio.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def noise_part(model: RetrievalModel, clips: int, seconds: float) -> Part:
    """Clips of noise of one length, in memory."""
    rate = model.audio.audio_encoder.sample_rate
    store = noise_store([seconds] * clips, rate)
    chosen = [listed(number, seconds) for number in range(clips)]
    least = model.audio.least_samples
    return Part(Sounds.of(chosen, store, least=least, most=round(seconds * rate)), None)


def stage_of(recipe: RetrievalRecipe, model: RetrievalModel, part: Part, folder: Path) -> Stage:
    """The only stage of a training in `folder`."""
    run = recipe.run
    fabric = open_fabric(run.device, run.devices, run.precision)
    claimed = RunFolder.claim(folder, recipe)
    model.to(fabric.device)
    loggers = open_loggers((), folder, run_name="bench", config={}, resumed_step=0, options={})
    maker = BatchMaker(part.sounds, recipe.augment, TextResources(), recipe.seed)
    return Stage(
        "train",
        recipe,
        model,
        build_objective(recipe, model).to(fabric.device),
        Material(part, part, maker, maker, []),
        claimed,
        retrieval_tables(claimed, loggers),
        silence,
        fabric=fabric,
        before=0,
    )


def lessons_of(recipe: RetrievalRecipe, part: Part, n: int, *, pinned: bool) -> list[list[Lesson]]:
    """What the first `n` steps of a stage learn from, made before the clock starts."""
    order = PairOrder(part.clips, each=False, batch=recipe.optimiser.batch, seed=recipe.seed)
    maker = BatchMaker(part.sounds, recipe.augment, TextResources(), recipe.seed)
    lessons = LessonMaker(
        part, maker, [], order, Division(), seed=recipe.seed, before=0, pinned=pinned
    )
    return [lessons.lessons(step) for step in range(n)]
