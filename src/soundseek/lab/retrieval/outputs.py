"""From a batch to what the objective sees: features changed, pairs mixed, both towers run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from soundseek.audio.spec import FrontEndSpec
from soundseek.errors import RecipeError
from soundseek.lab.augment.mixup import PairMixPlan, mix_lengths, mix_rows, mix_words
from soundseek.lab.augment.pipeline import features_for
from soundseek.lab.augment.settings import AudioAugment
from soundseek.lab.encodings import AudioEncoding, TextEncoding, Tokens, masked_mean
from soundseek.lab.objectives.pairs import PairBatch
from soundseek.lab.retrieval.batches import Batch
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.waveforms import front_end
from soundseek.lab.text_encoders import FusingTextEncoder


def pair_batch(
    model: RetrievalModel,
    batch: Batch,
    augment: AudioAugment,
    generator: torch.Generator,
    *,
    events: Tensor | None = None,
    correspondences: Tensor | None = None,
) -> PairBatch:
    """Run the model over a batch. Pairs that were mixed stand behind the plain ones."""
    device = model.device
    with torch.no_grad():
        features, frames, count = model.audio.features(
            batch.waveforms.to(device, non_blocking=True), batch.samples.to(device)
        )
    mixing = PairMixPlan()
    if batch.plans is not None:
        features = _changed(model, features, frames, count, batch, augment)
        mixing = batch.plans[1].pairs
    plain = len(batch.texts)
    if len(mixing):
        features, frames = _with_mixed(features, frames, count, mixing)
    try:
        encoding = model.audio.encode(features, frames, count)
    finally:
        encoder: Any = model.audio.encoder
        if hasattr(encoder, "augment"):
            encoder.augment = None  # what was drawn is for this batch alone
    for what, given in (("sound-event vectors", events), ("teachers", correspondences)):
        if given is not None and len(mixing):
            raise RecipeError(f"mixup does not go with {what}", remedy="set mixup_share: 0")
    audio = model.compared(model.audio.embed(encoding, events))

    tokens = model.text.tokenise(batch.texts)
    text_encoding = _text_encoding(model, batch.texts, tokens)
    pooled = text_encoding.pooled
    groups = batch.groups.to(device)
    if len(mixing):
        pooled = torch.cat([pooled, _mixed_texts(model, tokens.ids, tokens.mask, mixing)])
        fresh = int(groups.max()) + 1 + torch.arange(len(mixing), device=device)
        groups = torch.cat([groups, fresh])
    text = model.compared(model.text.embed(pooled))
    return PairBatch(
        audio=audio,
        text=text,
        groups=groups,
        audio_encoding=_first(encoding, plain),
        text_encoding=text_encoding,
        tokens=tokens,
        plain=plain,
        generator=generator,
        correspondences=correspondences,
    )


def _changed(
    model: RetrievalModel,
    features: Tensor,
    frames: Tensor,
    count: int,
    batch: Batch,
    augment: AudioAugment,
) -> Tensor:
    """MixStyle on the features; SpecAugment on them too, around their own mean where the front-end
    does not normalise them (a value of 0 would be loud there), or, where the encoder normalises
    them first, on what it normalised."""
    if batch.plans is None:
        return features
    plans, between = batch.plans
    if augment.p_mixstyle > 0 and count > 1:
        raise RecipeError(
            "Freq-MixStyle works on whole clips", remedy="set audio.window_s: null or p_mixstyle: 0"
        )
    # A clip's windows are changed alike: they are one sound.
    each = [plan for plan in plans for _ in range(count)]
    styled = features_for(
        features,
        replace(augment, spec_time_stripes=0, spec_band_stripes=0),
        [replace(plan, stripes=replace(plan.stripes, time=(), bands=())) for plan in each],
        between,
        lengths=frames,
    )
    if not augment.spec_time_stripes + augment.spec_band_stripes:
        return styled
    without_style = replace(augment, p_mixstyle=0.0)
    encoder = model.audio.audio_encoder
    if not hasattr(encoder, "augment"):
        centre = _centre(styled, frames, front_end(encoder))
        return centre + features_for(styled - centre, without_style, each, between, lengths=frames)

    def stripes(normalised: Tensor) -> Tensor:
        heard = (frames > 0).nonzero().squeeze(1) if count > 1 else slice(None)
        chosen = each if count == 1 else [each[i] for i in cast("Tensor", heard).tolist()]
        lengths = frames[heard]
        mixed = len(normalised) - len(chosen)
        changed = features_for(
            normalised[: len(chosen)], without_style, chosen, between, lengths=lengths
        )
        return torch.cat([changed, normalised[len(chosen) :]]) if mixed else changed

    encoder.augment = stripes
    return styled


def _centre(features: Tensor, frames: Tensor, spec: FrontEndSpec | None) -> Tensor:
    """`[batch, 1, 1]`: the mean of each item's valid frames; 0 where features are normalised."""
    if spec is not None and (spec.mean, spec.scale) != (0.0, 1.0):
        return features.new_zeros(len(features), 1, 1)
    valid = torch.arange(features.shape[1], device=frames.device) < frames[:, None]
    return masked_mean(features, valid).mean(1)[:, None, None]


def _with_mixed(
    features: Tensor, frames: Tensor, count: int, mixing: PairMixPlan
) -> tuple[Tensor, Tensor]:
    """Features and frames with those of the mixed pairs behind them, window by window."""
    windows = features.reshape(-1, count, *features.shape[1:])
    mixed = mix_rows(windows, mixing).flatten(0, 1)
    lengths = mix_lengths(frames.reshape(-1, count), mixing).flatten()
    return torch.cat([features, mixed]), torch.cat([frames, lengths])


def _mixed_texts(model: RetrievalModel, ids: Tensor, mask: Tensor, mixing: PairMixPlan) -> Tensor:
    if not hasattr(model.text.encoder, "forward_embedded"):
        raise RecipeError(
            "mixup mixes word embeddings, which this text encoder does not give",
            remedy="use bert or roberta, or set mixup_share: 0",
        )
    encoder = cast("FusingTextEncoder", model.text.encoder)
    words, union = mix_words(encoder.embed(ids), mask, mixing)
    return encoder.forward_embedded(words, union).pooled


def _text_encoding(model: RetrievalModel, texts: list[str], tokens: Tokens) -> TextEncoding:
    """Of a frozen encoder the remembered vectors, as sequences of one step."""
    if not model.text.frozen:
        return model.text.encode(tokens)
    pooled = model.text.pooled(texts)
    return TextEncoding(pooled[:, None], tokens.mask[:, :1], pooled)


def _first(encoding: AudioEncoding, n: int) -> AudioEncoding:
    if len(encoding.pooled) == n:
        return encoding
    return AudioEncoding(encoding.sequence[:n], encoding.mask[:n], encoding.pooled[:n])
