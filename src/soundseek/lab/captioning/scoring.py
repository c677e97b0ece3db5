"""The captions that a model writes for a part of its clips, and what they are worth."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from soundseek.errors import SoundseekError
from soundseek.lab.captioning.decoding import WrittenCaption, allowed_words, write_captions
from soundseek.lab.captioning.model import CaptioningModel
from soundseek.lab.captioning.prepare import Part
from soundseek.lab.captioning.recipe import CaptioningRecipe, Decoding
from soundseek.lab.progress import now_and_then
from soundseek.lab.reporting.report import tell_report
from soundseek.lab.retrieval.embedding import at_least
from soundseek.lab.retrieval.waveforms import padded
from soundseek.lab.run_folder import CAPTIONS, SCORES
from soundseek.metrics.captions import CaptionEvaluation, evaluate_captions

Say = Callable[[str], None]
_AT_ONCE: Final = 32


def captions_of(
    model: CaptioningModel, part: Part, decoding: Decoding, say: Say = print
) -> list[WrittenCaption]:
    """A caption for each clip of a part, in order; clips of about one length go together."""
    captioner = model.captioner
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
    return [found[clip] for clip in clips]


def score_run(
    folder: Path, recipe: CaptioningRecipe, model: CaptioningModel, part: Part, say: Say
) -> None:
    """captions.csv and scores.json of a test set, and the run's report.

    Captions are written first. Where pycocoevalcap is not installed there are no scores, which is
    told with the remedy: `soundseek evaluate captions RUN/captions.csv` makes up for it.
    """
    written = captions_of(model, part, recipe.decoding, say)
    write_captions_file(folder / CAPTIONS, part, [one.text for one in written])
    try:
        found = scored(part, [one.text for one in written])
    except SoundseekError as error:
        say(f"no figures: {error}")
    else:
        _write_scores(folder / SCORES, recipe, found)
        shown = "  ".join(f"{name} {one.value:.4f}" for name, one in found.metrics.items())
        say(f"test ({found.n} clips)  {shown}")
        for metric, why in found.missing.items():
            say(f"without {metric}: {why}")
    tell_report(folder, say)


def scored(part: Part, captions: Sequence[str]) -> CaptionEvaluation:
    """Captions against those of the clips. Raises `SoundseekError` without pycocoevalcap."""
    return evaluate_captions(
        {clip.id: text for clip, text in zip(part.clips, captions, strict=True)},
        {clip.id: clip.captions for clip in part.clips},
    )


def write_captions_file(path: Path, part: Part, captions: Sequence[str]) -> None:
    """id, prediction, reference_1, … of each clip: what `soundseek evaluate captions` and
    caption-then-match recipes read."""
    most = max(len(clip.captions) for clip in part.clips)
    draft = path.with_suffix(".partial")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "prediction", *(f"reference_{i + 1}" for i in range(most))])
        for clip, text in zip(part.clips, captions, strict=True):
            writer.writerow([clip.id, text, *clip.captions, *[""] * (most - len(clip.captions))])
    draft.replace(path)


def _write_scores(path: Path, recipe: CaptioningRecipe, found: CaptionEvaluation) -> None:
    metrics: Mapping[str, Any] = {
        name: {"value": one.value, "ci95": None if one.ci95 is None else list(one.ci95)}
        for name, one in found.metrics.items()
    }
    document = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        "clips": found.n,
        "n": found.n,
        "metrics": metrics,
        "missing": dict(found.missing),
        "published": (
            None if recipe.published is None else recipe.published.model_dump(mode="json")
        ),
    }
    draft = path.with_suffix(".partial")
    draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)


def _heard(
    model: CaptioningModel, part: Part, clips: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    if part.heard is not None:
        steps, mask = part.steps(clips)
        return steps.to(model.device), mask.to(model.device)
    sounds = part.sounds
    waveforms, samples = padded(
        [at_least(sounds.store.read(clip, 0, sounds.most), sounds.least) for clip in clips]
    )
    return model.hear(waveforms.to(model.device), samples.to(model.device))
