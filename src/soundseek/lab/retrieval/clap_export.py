"""From a Hugging Face CLAP without feature fusion to a bundle: both towers as graphs, untrained."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor, nn

from soundseek.audio.decode import read
from soundseek.audio.frontends import least_samples, n_frames
from soundseek.audio.spec import FrontEndSpec
from soundseek.bundle.load import load_bundle
from soundseek.bundle.runtime import Bundle
from soundseek.bundle.schema import AudioSection, BundleManifest, Provenance, Similarity
from soundseek.bundle.write import unclaimed, write_bundle
from soundseek.errors import AudioError, BundleError, DataError
from soundseek.lab.audio_encoders.clap import WINDOW_SECONDS, ClapAudio
from soundseek.lab.calibrate import fit_calibration
from soundseek.lab.data.manifest import read_clips_jsonl, read_parquet, select
from soundseek.lab.evaluate import plain
from soundseek.lab.onnx_export import audio_onnx, text_onnx
from soundseek.lab.retrieval.clap_card import clap_card, origin_of
from soundseek.lab.retrieval.prepare import Say
from soundseek.lab.retrieval.recipe import Text
from soundseek.lab.retrieval.text_files import text_files
from soundseek.lab.scored_bundle import Measured, Networks, write_scored
from soundseek.lab.similarities import similarities
from soundseek.lab.text_encoders import hub
from soundseek.lab.text_encoders.clap import ClapText

MOST_TOKENS: Final = 77
"""What laion_clap cuts texts at, in training as in use."""


class SoundNetwork(nn.Module):
    """Features `[batch, frames, bands]` and valid frames int64 `[batch]` → unit vectors."""

    def __init__(self, encoder: ClapAudio) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        embedding: Tensor = self.encoder(features, lengths).embedding
        return embedding


class SentenceNetwork(nn.Module):
    """Token ids and mask int64 `[batch, tokens]` → unit vectors `[batch, dimension]`."""

    def __init__(self, encoder: ClapText) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        pooled: Tensor = self.encoder(input_ids, attention_mask.bool()).pooled
        return pooled


def export_clap(
    model: str,
    destination: Path,
    *,
    name: str,
    say: Say = print,
    window_s: float | None = None,
    clips: Path | None = None,
) -> Path:
    """Write the CLAP of a folder or hub name as a bundle at `destination`; returns its folder.

    `window_s`: what the network hears at once, 10 s or less (default: 10 s, as it was trained);
    windows follow each other. `clips`: a manifest (`.parquet`, or a `clips.jsonl`) whose captioned
    clips the bundle is scored and calibrated on; without, it has neither scores nor calibration.

    A window of 10 s and a sentence of up to `MOST_TOKENS` tokens have the vectors that
    transformers' `ClapModel` gives, to `onnx_export.TOLERANCE`. Shorter sound is repeated frame by
    frame, see `ClapAudio`.

    Raises `DataError` for what is no CLAP, has feature fusion, or is damaged; `BundleError` for a
    window that does not fit, a graph that differs from its network, or when `destination` is taken.
    """
    unclaimed(destination)
    config = hub.read_config(model)
    if config.model_type != "clap":
        raise DataError(
            f"{model} holds a {config.model_type}, not a clap",
            remedy="give the folder of a whole CLAP, both towers, or that of a run",
        )
    audio = ClapAudio.from_path(model)
    spec = audio.frontend.spec
    window = _window_samples(spec, window_s)
    text = ClapText.create(
        model=model,
        weights="pretrained",
        texts=(),
        max_tokens=_most_tokens(config.text_config),
        pooled="projected",
    )
    texts = text_files(text, Text(encoder="clap", model=model))
    scale = _scale(model)
    origin = origin_of(model, say)

    say("exporting the networks")
    networks = Networks(
        audio_onnx(SoundNetwork(audio), frames=n_frames(window, spec), bands=spec.bands),
        text_onnx(
            SentenceNetwork(text),
            vocabulary=texts.vocabulary,
            max_tokens=texts.section.max_tokens,
            pad_id=texts.pad_id,
        ),
        texts.tokenizer_json,
    )
    manifest = BundleManifest(
        name=name,
        description=f"The CLAP {origin.name}, as it was published",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dimension=audio.embedding_width,
        audio=AudioSection(spec.sample_rate, spec, window, window),
        text=texts.section,
        similarity=Similarity(round(scale, 4), None),
        provenance=Provenance(f"the CLAP {origin.name}", (), {}, origin.attribution()),
    )

    def card(scores: dict[str, Any]) -> str:
        parameters = {"sound": _count(audio), "text": _count(text)}
        return clap_card(manifest, origin, scores, parameters=parameters)

    if clips is not None:
        heard = clips
        return write_scored(
            destination,
            manifest,
            networks,
            measure=lambda bundle: measured(bundle, heard, say),
            card=card,
            say=say,
        )
    written = write_bundle(destination, manifest, **networks._asdict(), model_card=card({}))
    load_bundle(written).verify()
    say(f"wrote {written}")
    return written


def measured(bundle: Bundle, manifest: Path, say: Say) -> Measured:
    """Scores and calibration on the captioned clips of a manifest, heard by the runtime.

    Clips that cannot be read are told of and left out. Raises `DataError` where fewer than two
    groups of clips are left.
    """
    listed = read_parquet(manifest) if manifest.suffix == ".parquet" else read_clips_jsonl(manifest)
    kept, vectors = [], []
    for clip in select(listed, min_quality=1):
        if not clip.captions:
            continue
        try:
            sound, rate = read(
                clip.path,
                bundle.sample_rate,
                start_s=clip.start_s,
                duration_s=clip.duration_s or None,
            )
            vectors.append(bundle.encode_audio(sound, rate)[0])
        except AudioError as error:
            say(f"left out {clip.path}: {error.message}")
            continue
        kept.append(clip)
    if len({clip.group for clip in kept}) < 2:
        raise DataError(
            f"{manifest} has {len(kept)} readable captioned clips, of fewer than two groups",
            remedy="give more clips, or leave --clips out",
        )
    texts = sorted({caption for clip in kept for caption in clip.captions})
    found = similarities(kept, np.stack(vectors), texts, bundle.encode_text(texts))
    scores = {
        manifest.stem: {
            "clips": len(found.clips),
            "queries": len(found.queries),
            "metrics": plain(found.metrics()),
        }
    }
    return Measured(scores, fit_calibration(found.scores, found.relevant))


def _window_samples(spec: FrontEndSpec, asked_s: float | None) -> int:
    window = round((asked_s or WINDOW_SECONDS) * spec.sample_rate)
    least = least_samples(spec)
    if not least <= window <= WINDOW_SECONDS * spec.sample_rate:
        raise BundleError(
            f"windows of {asked_s:g} s do not fit: CLAP hears {least / spec.sample_rate:.3f} s to "
            f"{WINDOW_SECONDS} s at once",
            remedy="leave --window out, or give one between",
        )
    return window


def _most_tokens(config: Any) -> int:
    # RoBERTa counts positions from the one after its padding's.
    return min(MOST_TOKENS, int(config.max_position_embeddings) - int(config.pad_token_id) - 1)


def _scale(model: str) -> float:
    """What training multiplied cosines by: of the two scales that a checkpoint has, the one of
    sound, which laion_clap's plain contrastive loss learns for both directions."""
    tensors = hub.read_tensors(model)
    if "logit_scale_a" not in tensors:
        raise DataError(f"{model} has no logit_scale_a", remedy="give a whole CLAP, both towers")
    return math.exp(float(tensors["logit_scale_a"]))


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
