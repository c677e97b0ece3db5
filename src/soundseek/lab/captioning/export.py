"""From a captioning run to a captioner that runs without torch, measured through the runtime."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from soundseek.bundle.captioning.captioner import Captioner
from soundseek.bundle.captioning.load import load_captioner
from soundseek.bundle.captioning.schema import (
    CaptionerManifest,
    CaptionText,
    DecodingDefaults,
    Hears,
)
from soundseek.bundle.captioning.write import write_captioner
from soundseek.bundle.manifests import DataSource, Provenance
from soundseek.errors import BundleError
from soundseek.lab.audio_encoders.bundled import BundledModel
from soundseek.lab.captioning.card import model_card
from soundseek.lab.captioning.graphs import decoder_graph, memory_graph
from soundseek.lab.captioning.prepare import Part, prepare_part
from soundseek.lab.captioning.scoring import scored
from soundseek.lab.captioning.trained import Trained, load_trained
from soundseek.lab.credits import licences
from soundseek.lab.retrieval.clips import clip_sets
from soundseek.lab.run_folder import RunFolder

Say = Callable[[str], None]
_BEGUN = 2  # tokens that BART counts of a caption before its first word


def export_run(
    run_folder: Path,
    destination: Path,
    *,
    name: str,
    say: Say = print,
    window_s: float | None = None,
) -> Path:
    """Write the captioner that a run kept at `destination`, with its scores and card.

    Raises `DataError` without a run or its data; `BundleError` for a system that does not hear by
    a bundle, a window (the bundle has its own), a graph that differs from its network, or when
    `destination` is taken.
    """
    trained = load_trained(run_folder)
    recipe, model = trained.recipe, trained.model
    encoder = model.audio.encoder
    if not isinstance(encoder, BundledModel) or recipe.audio.events is not None:
        heard = recipe.audio.encoder + (" with sound events" if recipe.audio.events else "")
        raise BundleError(
            f"the run in {run_folder} hears by {heard}: a captioner to be exported reads the "
            "vectors of a bundle",
            remedy="train one with audio.encoder: bundle, such as soundseek/captions; this one "
            "captions its test clips: captions.csv in its folder",
        )
    if window_s is not None:
        raise BundleError(
            f"windows of {window_s:g} s: those of a captioner are its bundle's",
            remedy="leave --window out",
        )
    say("exporting the networks")
    torch.manual_seed(recipe.seed)
    manifest = _manifest(trained, encoder, name)
    contents: dict[str, Any] = {
        "memory_onnx": memory_graph(model.captioner, manifest.most_windows),
        "decoder_onnx": decoder_graph(
            model.captioner, manifest.most_windows, manifest.text.max_tokens
        ),
        "tokenizer_json": model.captioner.tokens.document,
    }
    clips = clip_sets(recipe.data, recipe.seed, say)
    manifest = dataclasses.replace(
        manifest,
        provenance=dataclasses.replace(
            manifest.provenance,
            data=tuple(DataSource(*row) for row in licences(clips.train)),
        ),
    )
    scores: dict[str, Any] = {}
    if clips.test:
        cache = RunFolder(run_folder).cache if recipe.run.cache is None else Path(recipe.run.cache)
        part = prepare_part("test", clips.test, recipe, model, cache, say)
        say("captioning the test clips through the runtime")
        with tempfile.TemporaryDirectory() as folder:
            draft = write_captioner(
                Path(folder) / "draft", manifest, **contents, model_card="draft\n"
            )
            scores = {"test": _measured(load_captioner(draft, bundle=encoder.bundle), part)}
    manifest = dataclasses.replace(
        manifest, provenance=dataclasses.replace(manifest.provenance, scores=scores)
    )
    parameters = sum(one.numel() for one in model.captioner.parameters())
    card = model_card(recipe, manifest, clips.train, parameters=parameters)
    written = write_captioner(destination, manifest, **contents, model_card=card)
    load_captioner(written, bundle=encoder.bundle).verify()
    say(f"wrote {written}")
    return written


def _manifest(trained: Trained, encoder: BundledModel, name: str) -> CaptionerManifest:
    recipe, tokens = trained.recipe, trained.model.captioner.tokens
    decoding, bundle = recipe.decoding, encoder.bundle
    # What a caption has besides its two first tokens, its end included.
    longest = min(decoding.max_tokens, recipe.network.positions) - _BEGUN
    return CaptionerManifest(
        name=name,
        description=recipe.description,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        hears=Hears(bundle.name, bundle.fingerprint, bundle.dimension),
        most_windows=max(2, math.ceil(recipe.audio.max_s / bundle.hop_s)),
        text=CaptionText(tokens.bos, tokens.eos, tokens.pad, longest),
        decoding=DecodingDefaults(
            beams=decoding.beams if decoding.method == "beam" else 1,
            min_tokens=max(0, decoding.min_tokens - _BEGUN),
            max_tokens=longest,
            no_repeat_ngram=decoding.no_repeat_ngram,
            length_penalty=decoding.length_penalty,
        ),
        provenance=Provenance(recipe.name, (), {}, "See MODEL_CARD.md, section Attribution."),
    )


def _measured(captioner: Captioner, part: Part) -> dict[str, Any]:
    assert part.heard is not None
    windows = [part.heard.batch([clip])[0][0].numpy() for clip in range(len(part.clips))]
    found = scored(part, [one.text for one in captioner.caption(windows)])
    return {
        "n": found.n,
        "metrics": {
            name: {"value": one.value, "ci95": None if one.ci95 is None else list(one.ci95)}
            for name, one in found.metrics.items()
        },
    }
