"""From a run of a retrieval system to a bundle: its towers as graphs, measured through the
runtime."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from soundseek.audio.frontends import n_frames
from soundseek.audio.spec import FrontEndSpec
from soundseek.bundle.runtime import Bundle
from soundseek.bundle.schema import (
    AudioSection,
    BundleManifest,
    DataSource,
    Provenance,
    Similarity,
)
from soundseek.errors import BundleError, SoundseekError
from soundseek.lab.calibrate import fit_calibration
from soundseek.lab.credits import licences
from soundseek.lab.data.manifest import Clip
from soundseek.lab.evaluate import plain
from soundseek.lab.objectives.nt_xent import NtXent
from soundseek.lab.onnx_export import audio_onnx, text_onnx
from soundseek.lab.recipe_files import validated
from soundseek.lab.retrieval.build import build_objective
from soundseek.lab.retrieval.card import ATTRIBUTION, has_authors, model_card
from soundseek.lab.retrieval.clips import ClipSets, clip_sets
from soundseek.lab.retrieval.graphs import AudioNetwork, TextNetwork
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.prepare import Say, prepare_part
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.retrieval.text_files import TextFiles, text_files
from soundseek.lab.retrieval.trained import Trained, load_trained
from soundseek.lab.retrieval.waveforms import front_end
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.scored_bundle import Measured, Networks, write_scored
from soundseek.lab.similarities import Similarities, similarities

DEFAULT_WINDOW_S = 10.0


def export_run(
    run_folder: Path,
    destination: Path,
    *,
    name: str,
    say: Say = print,
    window_s: float | None = None,
) -> Path:
    """Write the model that a run kept as a bundle at `destination`, with its scores and card.

    Windows are those of the recipe; where it has none, of `window_s` (default: 10 s, or
    `audio.max_s` where that is shorter), one after the other. The test clips are heard by the
    runtime, whole.

    Raises `DataError` without a run or its data; `BundleError` for a model that a bundle cannot
    hold, a window that does not fit, a graph that differs from its network, or when `destination`
    is taken.
    """
    trained = load_trained(run_folder)
    recipe, model = trained.recipe, trained.model
    spec = plain_front_end(recipe, model)
    window = window_samples(recipe, model, spec, window_s)
    texts = text_files(model.text.text_encoder, recipe.text)
    if not recipe.space.normalise:
        say(
            "warning: trained by dot products of vectors of any length, which a bundle does not "
            "have: its vectors are of length 1, and its ranks differ from the run's"
        )
    whole = validated(RetrievalRecipe, RunFolder(run_folder).document(), str(run_folder))
    sets = clip_sets(recipe.data, recipe.seed, say)
    trained_on = _trained_on(whole)

    say("exporting the networks")
    networks = Networks(*_graphs(recipe, model, spec, window, texts), texts.tokenizer_json)
    manifest = BundleManifest(
        name=name,
        description=recipe.description,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dimension=recipe.space.dimension or model.text.text_encoder.width,
        audio=AudioSection(spec.sample_rate, spec, window, window),
        text=texts.section,
        similarity=Similarity(round(similarity_scale(trained), 4), None),
        provenance=Provenance(
            recipe.name,
            tuple(
                DataSource(source, licence or "not stated", clips)
                for source, licence, clips in licences(trained_on)
            ),
            {},
            f"See MODEL_CARD.md, section {ATTRIBUTION}." if has_authors(trained_on) else "",
        ),
    )
    cache = RunFolder(run_folder).cache_for(recipe.run.cache)
    return write_scored(
        destination,
        manifest,
        networks,
        measure=lambda bundle: _measured(bundle, trained, sets, cache, say),
        card=lambda scores: model_card(
            whole,
            name,
            trained_on,
            scores,
            window_s=window / spec.sample_rate,
            parameters={"sound": _count(model.audio), "text": _count(model.text)},
        ),
        say=say,
    )


def plain_front_end(recipe: RetrievalRecipe, model: RetrievalModel) -> FrontEndSpec:
    """The front-end of the audio encoder, for the runtime to compute. Raises `BundleError` where
    there is none, or where more than the sound goes into the network."""
    encoder = recipe.audio.encoder
    if recipe.audio.events is not None:
        raise BundleError(
            f"the model hears with a second network beside {encoder}, the tagger "
            f"{recipe.audio.events.tagger} of its sound-event vectors; a bundle holds one",
            remedy="train without audio.events to export",
        )
    spec = front_end(model.audio.audio_encoder)
    if spec is None:
        raise BundleError(
            f"{encoder} has no plain front-end: what it makes of a waveform before its lengths "
            "count is a network itself, and a bundle's runtime computes log-mels only",
            remedy="train with an encoder on log-mels to export",
        )
    return spec


def window_samples(
    recipe: RetrievalRecipe, model: RetrievalModel, spec: FrontEndSpec, asked_s: float | None
) -> int:
    """Samples of a window. Raises `BundleError` where one is asked for that the recipe does not
    leave open, or that is too short for the encoder."""
    fixed_s = recipe.audio.window_s
    if fixed_s is not None and asked_s is not None:
        raise BundleError(
            f"windows of {asked_s:g} s, where the recipe sets {fixed_s:g} s",
            remedy="leave --window out",
        )
    seconds = fixed_s or asked_s or min(DEFAULT_WINDOW_S, recipe.audio.max_s)
    window = round(seconds * spec.sample_rate)
    if window < model.audio.least_samples:
        raise BundleError(
            f"windows of {seconds:g} s are too short: {recipe.audio.encoder} takes "
            f"{model.audio.least_samples / spec.sample_rate:.2f} s or more",
            remedy="give a longer --window",
        )
    return window


@torch.no_grad()
def similarity_scale(trained: Trained) -> float:
    """What training multiplied similarities by: 1 / temperature of its first NT-Xent term, as it
    was learnt where it was; 1 without one."""
    objective = build_objective(trained.recipe, trained.model)
    objective.load_state_dict(trained.objective)
    for term in objective.terms.values():
        if isinstance(term, NtXent):
            return float(term.scale())
    return 1.0


def _graphs(
    recipe: RetrievalRecipe,
    model: RetrievalModel,
    spec: FrontEndSpec,
    window: int,
    texts: TextFiles,
) -> tuple[bytes, bytes]:
    def made(side: str, encoder: str, graph: Callable[[], bytes]) -> bytes:
        try:
            return graph()
        except SoundseekError as error:
            raise BundleError(
                f"the {side} encoder {encoder}: {error.message}", remedy=error.remedy
            ) from error

    frames, bands = n_frames(window, spec), spec.bands
    audio = AudioNetwork(model)
    text = TextNetwork(model, unknown_id=texts.unknown_id)
    return (
        made("audio", recipe.audio.encoder, lambda: audio_onnx(audio, frames=frames, bands=bands)),
        made(
            "text",
            recipe.text.encoder,
            lambda: text_onnx(
                text,
                vocabulary=texts.vocabulary,
                max_tokens=texts.section.max_tokens,
                pad_id=texts.pad_id,
            ),
        ),
    )


def _trained_on(whole: RetrievalRecipe) -> list[Clip]:
    """The training clips of all stages, each once."""
    stages = {stage.data.model_dump_json(): stage for _, stage in whole.plain_stages()}
    found: dict[str, Clip] = {}
    for recipe in stages.values():
        for clip in clip_sets(recipe.data, recipe.seed, _silent).train:
            found.setdefault(clip.id, clip)
    return list(found.values())


def _measured(bundle: Bundle, trained: Trained, sets: ClipSets, cache: Path, say: Say) -> Measured:
    validation = _heard(bundle, "validation", sets.validation, trained, cache, say)
    found = {"validation": validation}
    if sets.test:
        found["test"] = _heard(bundle, "test", sets.test, trained, cache, say)
    else:
        say("the recipe has no test set: the bundle has scores on its validation clips alone")
    scores: dict[str, Any] = {
        part: {
            "clips": len(one.clips),
            "queries": len(one.queries),
            "metrics": plain(one.metrics()),
        }
        for part, one in found.items()
    }
    return Measured(scores, fit_calibration(validation.scores, validation.relevant))


def _heard(
    bundle: Bundle, name: str, clips: list[Clip], trained: Trained, cache: Path, say: Say
) -> Similarities:
    part = prepare_part(name, clips, trained.recipe, trained.model, cache, say)
    store = part.store
    audio = np.concatenate(
        [bundle.encode_audio(store.read(i), store.sample_rate) for i in range(len(part.clips))]
    )
    texts = sorted({caption for clip in part.clips for caption in clip.captions})
    return similarities(part.clips, audio, texts, bundle.encode_text(texts))


def _silent(_: str) -> None:
    """What is read again has been spoken of."""


def _count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
