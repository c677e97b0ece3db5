"""The captions that a model writes for a part of its clips, and what they are worth."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import torch
from torch import Tensor

from soundseek.errors import SoundseekError
from soundseek.lab.captioning.decoding import WrittenCaption, allowed_words, write_captions
from soundseek.lab.captioning.model import CaptioningModel
from soundseek.lab.captioning.prepare import Part
from soundseek.lab.captioning.recipe import CaptioningRecipe, Decoding
from soundseek.lab.data.manifest import Clip
from soundseek.lab.progress import now_and_then
from soundseek.lab.reporting.report import tell_report
from soundseek.lab.retrieval.embedding import at_least
from soundseek.lab.retrieval.waveforms import padded
from soundseek.lab.run_captions import caption_figures
from soundseek.lab.run_folder import CAPTIONS, SCORES
from soundseek.metrics.captions import CaptionEvaluation, evaluate_captions

Say = Callable[[str], None]
_AT_ONCE: Final = 32


class Described(NamedTuple):
    """A clip, and what was written of it."""

    clip: Clip
    written: WrittenCaption


def captions_of(
    model: CaptioningModel, part: Part, decoding: Decoding, say: Say = print
) -> list[Described]:
    """A caption for each clip of a part that can be read, in order; clips of about one length go
    together."""
    captioner, failures = model.captioner, part.sounds.store.failures
    words = allowed_words(captioner, decoding)
    clips = range(len(part.clips) - part.texts)
    order = sorted(clips, key=lambda clip: part.clips[clip].duration_s)
    told = now_and_then(lambda line: say(f"captions: {line}"))
    found: dict[int, WrittenCaption] = {}
    model.eval()
    for start in range(0, len(order), _AT_ONCE):
        some = order[start : start + _AT_ONCE]
        with torch.no_grad():
            sequence, mask = _heard(model, part, some)
        written = write_captions(captioner, sequence, mask, decoding, places=some, words=words)
        found.update(zip(some, written, strict=True))
        told(len(found), len(order))
    # Some may have turned out to be unreadable when they were to be heard.
    left_out = {} if part.heard is not None else failures
    for clip_id, reason in left_out.items():
        say(f"left out {clip_id}: {reason}")
    described = [Described(part.clips[clip], found[clip]) for clip in clips]
    return [one for one in described if one.clip.id not in left_out]


def score_run(
    folder: Path, recipe: CaptioningRecipe, model: CaptioningModel, part: Part, say: Say
) -> None:
    """captions.csv and scores.json of a test set, and the run's report.

    Captions are written first. Where pycocoevalcap is not installed there are no scores, which is
    told with the remedy: `soundseek evaluate captions RUN/captions.csv` makes up for it.
    """
    described = captions_of(model, part, recipe.decoding, say)
    clips, texts = [one.clip for one in described], [one.written.text for one in described]
    write_captions_file(folder / CAPTIONS, clips, texts)
    try:
        found = scored(clips, texts)
    except SoundseekError as error:
        say(f"no figures: {error}")
    else:
        _write_scores(folder / SCORES, recipe, found)
        shown = "  ".join(f"{name} {one.value:.4f}" for name, one in found.metrics.items())
        say(f"test ({found.n} clips)  {shown}")
        if found.empty:
            say(f"{len(found.empty)} clips have a caption without a word, which scores 0")
        for metric, why in found.missing.items():
            say(f"without {metric}: {why}")
    tell_report(folder, say)


def scored(clips: Sequence[Clip], captions: Sequence[str]) -> CaptionEvaluation:
    """Captions against those of the clips. Raises `SoundseekError` without pycocoevalcap, and
    `DataError` for no clips."""
    return evaluate_captions(
        {clip.id: text for clip, text in zip(clips, captions, strict=True)},
        {clip.id: clip.captions for clip in clips},
    )


def write_captions_file(path: Path, clips: Sequence[Clip], captions: Sequence[str]) -> None:
    """id, prediction, reference_1, … of each clip: what `soundseek evaluate captions` and
    caption-then-match recipes read."""
    most = max((len(clip.captions) for clip in clips), default=0)
    draft = path.with_suffix(".partial")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "prediction", *(f"reference_{i + 1}" for i in range(most))])
        for clip, text in zip(clips, captions, strict=True):
            writer.writerow([clip.id, text, *clip.captions, *[""] * (most - len(clip.captions))])
    draft.replace(path)


def _write_scores(path: Path, recipe: CaptioningRecipe, found: CaptionEvaluation) -> None:
    document = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        **caption_figures(found),
        "published": (
            None if recipe.published is None else recipe.published.model_dump(mode="json")
        ),
    }
    draft = path.with_suffix(".partial")
    draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)


def _heard(model: CaptioningModel, part: Part, clips: Sequence[int]) -> tuple[Tensor, Tensor]:
    if part.heard is not None:
        steps, mask = part.steps(clips)
        return steps.to(model.device), mask.to(model.device)
    sounds = part.sounds
    waveforms, samples = padded(
        [at_least(sounds.store.read(clip, 0, sounds.most), sounds.least) for clip in clips]
    )
    return model.hear(waveforms.to(model.device), samples.to(model.device))
