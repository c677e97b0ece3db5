"""From a run to a bundle: export, check, score through the runtime, calibrate, write."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from soundseek.audio.frontends import n_frames
from soundseek.bundle.runtime import Bundle
from soundseek.bundle.schema import (
    AudioSection,
    BundleManifest,
    DataSource,
    Provenance,
    Similarity,
    TextSection,
)
from soundseek.errors import BundleError
from soundseek.lab.calibrate import fit_calibration
from soundseek.lab.credits import licences
from soundseek.lab.data.manifest import Clip, read_clips_jsonl, select
from soundseek.lab.distilled.build import window_and_hop
from soundseek.lab.distilled.model_card import model_card
from soundseek.lab.distilled.prepare import training_clips
from soundseek.lab.distilled.tower import AudioTower
from soundseek.lab.distilled.trained import load_trained
from soundseek.lab.evaluate import queries_of
from soundseek.lab.onnx_export import audio_onnx, text_onnx, with_half_weights
from soundseek.lab.scorecard import RETRIEVAL, embed_clips, scorecard
from soundseek.lab.scored_bundle import Measured, Networks, write_scored
from soundseek.lab.words.trained import Words, load_words


class _AudioNetwork(nn.Module):
    def __init__(self, tower: AudioTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        return self.tower(features, lengths).embedding  # type: ignore[no-any-return]


def audio_graph(tower: AudioTower, frames: int) -> bytes:
    """`audio.onnx` for windows of `frames` frames: features, lengths → embedding."""
    bands = tower.encoder.frontend.spec.bands
    return audio_onnx(_AudioNetwork(tower), frames=frames, bands=bands)


def text_graph(words: Words) -> bytes:
    """`text.onnx`: input_ids, attention_mask → embedding."""
    return text_onnx(
        words.network,
        vocabulary=words.encoder.tokens.num_embeddings,
        max_tokens=words.max_tokens,
    )


def export_run(
    run_folder: Path,
    destination: Path,
    *,
    name: str,
    say: Callable[[str], None] = print,
    window_s: float | None = None,
) -> Path:
    """Write the averaged model of a run as a bundle at `destination`, with its scores and card.

    Raises `DataError` without a run, the run of its text tower or its data, `BundleError` when a
    graph differs from the network, `destination` is taken, or a window is asked for: the recipe has
    its own.
    """
    if window_s is not None:
        raise BundleError(
            f"windows of {window_s:g} s: those of this system are set by its recipe",
            remedy="leave --window out",
        )
    recipe, tower, saved = load_trained(run_folder)
    words = load_words(Path(recipe.words))
    trained_on = training_clips(recipe.data)
    spec = tower.encoder.frontend.spec
    window, hop = window_and_hop(recipe, spec)

    say("exporting the networks")
    # Rounded weights: half the size, and scores are those of the bundle as it is.
    networks = Networks(
        with_half_weights(audio_graph(tower, n_frames(window, spec))),
        with_half_weights(text_graph(words)),
        words.tokenizer_json,
    )
    manifest = BundleManifest(
        name=name,
        description=recipe.description,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dimension=tower.head.anchors.shape[1],
        audio=AudioSection(spec.sample_rate, spec, window, hop),
        text=TextSection(words.max_tokens, lowercase=True, strip_punctuation=True),
        similarity=Similarity(round(float(tower.scale.detach()), 4), None),
        provenance=Provenance(
            recipe.name,
            tuple(DataSource(*row) for row in licences(trained_on)),
            {},
            "See MODEL_CARD.md, section Attribution.",
        ),
    )
    every = read_clips_jsonl(Path(recipe.data.folder) / "clips.jsonl")
    return write_scored(
        destination,
        manifest,
        networks,
        measure=lambda bundle: _measured(bundle, every, trained_on),
        card=lambda scores: model_card(
            recipe,
            name,
            trained_on,
            scores,
            steps=saved["step"],
            hours=saved["seconds"] / 3600,
            parameters={"sound": _count(tower), "text": _count(words.network)},
            words=words.recipe,
        ),
        say=say,
    )


def _measured(bundle: Bundle, clips: list[Clip], trained_on: list[Clip]) -> Measured:
    # The calibration asks for clips that the scorecard has heard already.
    heard = functools.cache(lambda path: bundle.encode_audio(path)[0])
    learnt = [clip.id for clip in trained_on]
    card = scorecard(clips, heard, bundle.encode_text, trained_on=learnt)
    kept, audio = embed_clips(select(clips, **RETRIEVAL["validation"]), heard)
    captions, relevant = queries_of(kept)
    scores = np.asarray(bundle.encode_text(captions) @ audio.T)
    return Measured(card, fit_calibration(scores, relevant))


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
