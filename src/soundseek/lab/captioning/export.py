"""From a captioning run to a captioner that runs without torch, measured through the runtime."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

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
from soundseek.bundle.write import unclaimed
from soundseek.errors import BundleError, SoundseekError
from soundseek.lab.audio_encoders.bundled import BundledModel
from soundseek.lab.captioning.card import model_card
from soundseek.lab.captioning.clips import captioned_sets
from soundseek.lab.captioning.graphs import decoder_graph, memory_graph
from soundseek.lab.captioning.prepare import Part, prepare_part
from soundseek.lab.captioning.recipe import Decoding
from soundseek.lab.captioning.scoring import scored
from soundseek.lab.captioning.trained import Trained, load_trained
from soundseek.lab.credits import licences
from soundseek.lab.data.manifest import Clip
from soundseek.lab.retrieval.card import ATTRIBUTION, has_authors
from soundseek.lab.run_captions import caption_figures
from soundseek.lab.run_folder import RunFolder

Say = Callable[[str], None]
_BEGUN: Final = 2  # tokens that BART counts of a caption before its first word
_SHORTEST: Final = 2


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
    unclaimed(destination)  # said before minutes of work
    clips = captioned_sets(recipe, say)
    for line in _otherwise(recipe.decoding):
        say(line)
    say("exporting the networks")
    torch.manual_seed(recipe.seed)
    manifest = _manifest(trained, encoder, clips.train, name)
    contents: dict[str, Any] = {
        "memory_onnx": memory_graph(model.captioner, manifest.most_windows),
        "decoder_onnx": decoder_graph(
            model.captioner, manifest.most_windows, manifest.text.max_tokens
        ),
        "tokenizer_json": model.captioner.tokens.document,
    }
    scores: dict[str, Any] = {}
    if clips.test:
        cache = RunFolder(run_folder).cache_for(recipe.run.cache)
        part = prepare_part("test", clips.test, recipe, model, cache, say)
        with tempfile.TemporaryDirectory() as folder:
            draft = write_captioner(
                Path(folder) / "draft", manifest, **contents, model_card="draft\n"
            )
            scores = _measured(load_captioner(draft, bundle=encoder.bundle), part, say)
    manifest = dataclasses.replace(
        manifest, provenance=dataclasses.replace(manifest.provenance, scores=scores)
    )
    parameters = sum(one.numel() for one in model.captioner.parameters())
    card = model_card(recipe, manifest, clips.train, parameters=parameters)
    written = write_captioner(destination, manifest, **contents, model_card=card)
    load_captioner(written, bundle=encoder.bundle).verify()
    say(f"wrote {written}")
    return written


def _otherwise(decoding: Decoding) -> Iterator[str]:
    """What the runtime does otherwise than the run's own scores."""
    if decoding.search != "runtime":
        yield (
            "warning: the run searched for its captions as the 2022 baseline does, and the "
            "captioner searches as the runtime does: captions may differ (decoding.search)"
        )
    if decoding.method == "nucleus":
        yield "warning: the run drew its captions, and the captioner writes the likeliest words"
    if decoding.words is not None:
        yield (
            "warning: the words of decoding.words are no part of the captioner, which uses any: "
            "give them to it again"
        )


def _manifest(
    trained: Trained, encoder: BundledModel, trained_on: Sequence[Clip], name: str
) -> CaptionerManifest:
    recipe, tokens = trained.recipe, trained.model.captioner.tokens
    decoding, bundle = recipe.decoding, encoder.bundle
    # What a caption has besides its two first tokens, its end included.
    longest = min(decoding.max_tokens, recipe.network.positions) - _BEGUN
    if longest < _SHORTEST:
        raise BundleError(
            f"captions of {longest} tokens are too short for a captioner",
            remedy=f"train with decoding.max_tokens of at least {_BEGUN + _SHORTEST}",
        )
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
        provenance=Provenance(
            recipe.name,
            tuple(
                DataSource(source, licence or "not stated", n)
                for source, licence, n in licences(trained_on)
            ),
            {},
            f"See MODEL_CARD.md, section {ATTRIBUTION}." if has_authors(trained_on) else "",
        ),
    )


def _measured(captioner: Captioner, part: Part, say: Say) -> dict[str, Any]:
    """Scores of the test clips, captioned by the runtime; none where they cannot be computed."""
    assert part.heard is not None
    say("captioning the test clips through the runtime")
    windows = [part.heard.batch([clip])[0][0].numpy() for clip in range(len(part.clips))]
    try:
        found = scored(part.clips, [one.text for one in captioner.caption(windows)])
    except SoundseekError as error:
        say(f"no figures: {error}")
        return {}
    for metric, why in found.missing.items():
        say(f"without {metric}: {why}")
    figures = caption_figures(found)
    return {"test": {"n": figures["n"], "metrics": figures["metrics"]}}
