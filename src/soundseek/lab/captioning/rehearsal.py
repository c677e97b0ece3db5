"""A rehearsal of a captioner's training: everything looked at and a few steps made.

Nothing is written but into a temporary folder, and nothing is decoded but a few sounds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from lightning_fabric import Fabric

from soundseek.lab.captioning.expected import Expected
from soundseek.lab.captioning.imagined import NO_TEXTS
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.captioning.rehearsal_checks import (
    Networks,
    checked_clips,
    checked_model,
    checked_texts,
    missing_tools,
)
from soundseek.lab.captioning.stage import STAGE, TERM, order_of
from soundseek.lab.captioning.texts import TextItems
from soundseek.lab.captioning.trial import CaptioningTrial, CaptioningTrials
from soundseek.lab.data.manifest import Clip
from soundseek.lab.memory import available
from soundseek.lab.problems import Problems
from soundseek.lab.retrieval.clips import ClipSets
from soundseek.lab.retrieval.course import course_of
from soundseek.lab.retrieval.disk import disk_needs, parts_of
from soundseek.lab.retrieval.prepare import Say
from soundseek.lab.retrieval.rehearsal_checks import (
    Standing,
    checked_division,
    checked_folder,
    checked_loggers,
)
from soundseek.lab.retrieval.rehearsed import Rehearsal, StageFigures
from soundseek.lab.retrieval.rehearsing import (
    decoding_seconds,
    device_name,
    part_figures,
    remarks,
    threads_of,
)
from soundseek.lab.training.trial import open_trial_fabric


def rehearse(
    recipe: CaptioningRecipe, run_folder: Path | None = None, say: Say = print
) -> Rehearsal:
    """Look at all that a training of `recipe` into `run_folder` needs, and try it.

    What is wrong stands in the result's `problems`, all of it; steps are tried where nothing is.
    """
    problems = Problems()
    standing = checked_folder(recipe, (STAGE,), run_folder, problems)
    checked_loggers(recipe.run, problems)
    fabric = None
    with problems.collecting("run.device"):
        fabric = open_trial_fabric(recipe.run)
    clips, items = checked_clips(recipe, problems, say), checked_texts(recipe, problems)
    if clips is not None and items is not None:
        order = order_of(recipe, [*clips.train, *items.clips])
        checked_division("", recipe.optimiser, recipe.run.devices, order, problems)
    networks = checked_model(recipe, _captions(clips, items), problems, say)
    device = torch.device("cpu") if fabric is None else fabric.device
    free = available(device)
    expected = None
    if clips is not None and items is not None and networks is not None and fabric is not None:
        cache = Path(recipe.run.cache) if recipe.run.cache else (run_folder or Path()) / "cache"
        if not len(problems):
            with threads_of(recipe.run):
                trial = _tried(recipe, clips, items, networks, fabric, problems, say)
                rate = networks.model.audio.audio_encoder.sample_rate
                decode_s = decoding_seconds(clips.train, rate, say) / recipe.run.workers
            if trial is not None:
                expected = Expected(recipe, networks.model, clips, items, trial, cache, decode_s)
    disk = disk_needs(
        recipe.run,
        run_folder,
        _decoded(recipe, clips, networks),
        [] if expected is None else [expected.trial],
        problems,
        heard_bytes=0 if expected is None else expected.heard_bytes(),
    )
    return Rehearsal(
        recipe.name,
        device_name(device),
        recipe.run.devices,
        recipe.run.precision,
        tuple(_stages(recipe, clips, items, expected, standing, say)),
        tuple(disk),
        free,
        0.0 if expected is None else expected.score_s(),
        standing,
        (*missing_tools(recipe), *remarks(recipe.run, run_folder)),
        tuple(problems),
    )


def _tried(
    recipe: CaptioningRecipe,
    clips: ClipSets,
    items: TextItems,
    networks: Networks,
    fabric: Fabric,
    problems: Problems,
    say: Say,
) -> CaptioningTrial | None:
    say("trying some steps on the longest sounds and captions")
    found, why = None, None
    with tempfile.TemporaryDirectory(prefix="soundseek-rehearsal-") as folder:
        try:
            trials = CaptioningTrials(recipe, networks.model, fabric, Path(folder))
            with problems.collecting(STAGE):
                why = trials.too_large(clips, items)
                found = None if why is not None else trials.run(clips, items)
        except torch.OutOfMemoryError:
            why = (
                f"a batch of {recipe.optimiser.batch} of the longest sounds is too large for the "
                "GPU"
            )
            torch.cuda.empty_cache()
    if why is not None:
        less = "lower optimiser.batch, or raise optimiser.accumulate"
        problems.add("optimiser.batch", why, less)
    return found


def _stages(
    recipe: CaptioningRecipe,
    clips: ClipSets | None,
    items: TextItems | None,
    expected: Expected | None,
    standing: Standing | None,
    say: Say,
) -> Iterator[StageFigures]:
    if clips is None:
        return
    say("reading the headers of the sounds")
    items = items or NO_TEXTS
    order = order_of(recipe, [*clips.train, *items.clips])
    course = course_of(STAGE, (STAGE,), recipe.optimiser, order, standing)
    trial = None if expected is None else expected.trial
    time = None if expected is None else expected.time(course)
    yield StageFigures(STAGE, (TERM,), part_figures(clips), course, trial, time)


def _captions(clips: ClipSets | None, items: TextItems | None) -> list[str]:
    """What tokens may be learnt from; none where some cannot be read."""
    if clips is None or items is None:
        return []
    return sorted({text for clip in (*clips.train, *items.clips) for text in clip.captions})


def _decoded(
    recipe: CaptioningRecipe, clips: ClipSets | None, networks: Networks | None
) -> list[tuple[list[Clip], int]] | None:
    """What is decoded before anything is learnt."""
    if clips is None or networks is None:
        return None
    if recipe.run.decode == "when_needed":
        return []
    rates = (networks.model.audio.audio_encoder.sample_rate, networks.tagger_rate)
    return [(part, rate) for rate in rates if rate is not None for part in parts_of(clips)]
