"""BEATs (Chen et al. 2022, "BEATs: Audio Pre-Training with Acoustic Tokenizers", section 3): a
transformer over 16 × 16 patches of a Kaldi filter bank. Defaults are those of the published
iter3+ checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.audio.frontends import PRESETS, n_frames
from soundseek.errors import DataError, RecipeError
from soundseek.lab.audio_encoders.beats_checkpoint import network_tensors, settings_of
from soundseek.lab.audio_encoders.beats_transformer import BeatsTransformer, TransformerSizes
from soundseek.lab.audio_encoders.options import RemembersOptions
from soundseek.lab.checkpoints import Checkpoint, load_strict
from soundseek.lab.encodings import AudioEncoding, masked_mean
from soundseek.lab.frontends import FrontEnd

Padding = Literal["upstream", "whole_patches"]


class Beats(RemembersOptions, nn.Module):
    """Filter banks `[batch, frames, 128]` (preset `beats_16k`, normalised) → `AudioEncoding`.

    A patch is 16 frames (0.16 s) by 16 bands; frames beyond the last whole patch are dropped.
    Tokens stand time-major: token t·8 + f is frequency patch f of time patch t. `pooled` is the
    mean of the unmasked tokens, `step_logits` are theirs and `logits` the mean of these where there
    is a classifier, `feature_map` the patch embeddings `[batch, embed_dim, time, 8]`.

    Options bear the names of a checkpoint's `cfg`, except:
        classes: of the classifier on every token (`predictor_class`), None for none.
        padding: which tokens `lengths` leaves. `upstream`: as the public code reduces its mask
            (`token_mask`), which keeps the lowest bands of a time patch that is half padding, so
            that what lies behind the sound counts a little. `whole_patches`: those of whole time
            patches, so that each item gives what it gives alone.
        checkpoint_layers: recompute each layer in the backward pass, to save memory.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "embed_dim": 16,
            "encoder_layers": 2,
            "encoder_embed_dim": 32,
            "encoder_ffn_embed_dim": 64,
            "encoder_attention_heads": 4,
            "conv_pos": 16,
            "conv_pos_groups": 4,
            "num_buckets": 32,
            "max_distance": 80,
        }
    )

    def __init__(
        self,
        *,
        input_patch_size: int = 16,
        embed_dim: int = 512,
        conv_bias: bool = False,
        encoder_layers: int = 12,
        encoder_embed_dim: int = 768,
        encoder_ffn_embed_dim: int = 3072,
        encoder_attention_heads: int = 12,
        layer_wise_gradient_decay_ratio: float = 0.6,
        deep_norm: bool = True,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        activation_dropout: float = 0.0,
        encoder_layerdrop: float = 0.05,
        dropout_input: float = 0.0,
        conv_pos: int = 128,
        conv_pos_groups: int = 16,
        relative_position_embedding: bool = True,
        num_buckets: int = 320,
        max_distance: int = 800,
        gru_rel_pos: bool = True,
        predictor_dropout: float = 0.0,
        classes: int | None = None,
        padding: Padding = "upstream",
        checkpoint_layers: bool = False,
    ) -> None:
        super().__init__()
        self.frontend = FrontEnd(PRESETS["beats_16k"])
        spec = self.frontend.spec
        problems = [
            f"{what} {part} is no divisor of encoder_embed_dim {encoder_embed_dim}"
            for what, part in (
                ("encoder_attention_heads", encoder_attention_heads),
                ("conv_pos_groups", conv_pos_groups),
            )
            if part < 1 or encoder_embed_dim % part
        ]
        if input_patch_size < 1 or spec.bands % input_patch_size:
            problems.append(f"input_patch_size {input_patch_size} is no divisor of {spec.bands}")
        if padding not in ("upstream", "whole_patches"):
            problems.append(f"padding is {padding!r}, not 'upstream' or 'whole_patches'")
        if problems:
            raise RecipeError(f"beats: {'; '.join(problems)}")
        self.patch = input_patch_size
        self.patches_high = spec.bands // input_patch_size
        self.padding = padding
        self.dropout_input, self.predictor_dropout = dropout_input, predictor_dropout
        self.sample_rate = spec.sample_rate
        self.width = encoder_embed_dim
        self.least_frames = input_patch_size
        # Tokens of one time patch share it evenly: token i begins within its patch.
        self.seconds_per_step = self.patch * spec.hop_samples / spec.sample_rate / self.patches_high
        self.post_extract_proj = (
            nn.Linear(embed_dim, encoder_embed_dim) if embed_dim != encoder_embed_dim else None
        )
        self.patch_embedding = nn.Conv2d(1, embed_dim, self.patch, self.patch, bias=conv_bias)
        self.encoder = BeatsTransformer(
            TransformerSizes(
                layers=encoder_layers,
                embed_dim=encoder_embed_dim,
                ffn_embed_dim=encoder_ffn_embed_dim,
                attention_heads=encoder_attention_heads,
                deep_norm=deep_norm,
                dropout=dropout,
                attention_dropout=attention_dropout,
                activation_dropout=activation_dropout,
                layerdrop=encoder_layerdrop,
                conv_pos=conv_pos,
                conv_pos_groups=conv_pos_groups,
                relative_position_embedding=relative_position_embedding,
                num_buckets=num_buckets,
                max_distance=max_distance,
                gru_rel_pos=gru_rel_pos,
                layer_wise_gradient_decay_ratio=layer_wise_gradient_decay_ratio,
                checkpoint_layers=checkpoint_layers,
            )
        )
        self.layer_norm = nn.LayerNorm(embed_dim)
        self.predictor = None if classes is None else nn.Linear(encoder_embed_dim, classes)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """The published network of a checkpoint `{'cfg', 'model'}`; `options` go before its cfg.

        `classes=None` leaves the classifier of a fine-tuned checkpoint out.

        Raises `DataError` when the cfg is missing or of another kind of network, or a key does
        not fit.
        """
        keep_predictor = options.get("classes", 0) is not None
        tensors = network_tensors(checkpoint, keep_predictor=keep_predictor)
        encoder = cls(**(settings_of(checkpoint) | options))
        load_strict(encoder, tensors, where=checkpoint.path)
        return encoder

    def features(self, waveforms: Tensor) -> Tensor:
        """Waveforms `[batch, samples]` at 16 kHz → `[batch, frames, 128]`."""
        features: Tensor = self.frontend(waveforms)
        return features

    def frames(self, samples: int) -> int:
        return n_frames(samples, self.frontend.spec)

    def frame_lengths(self, sample_lengths: Tensor, samples: int) -> Tensor:
        """How many frames the public code takes for valid of each item of `sample_lengths`
        valid samples in a batch padded to `samples`: int64 `[batch]`.

        It deals the samples out evenly over the frames and keeps a frame that has one valid
        sample; with `frames(length)` instead, only frames without padding are valid.
        """
        return _kept(sample_lengths, samples, self.frames(samples))

    def token_mask(self, lengths: Tensor, frames: int) -> Tensor:
        """bool `[batch, tokens]` of a batch of `frames` frames, True = sound; at least the first
        token (time patch, with `whole_patches`) is."""
        tokens = frames // self.patch * self.patches_high
        if self.padding == "whole_patches":
            kept = (lengths // self.patch).clamp(min=1) * self.patches_high
        else:
            kept = _kept(lengths, frames, tokens).clamp(min=1)
        return torch.arange(tokens, device=lengths.device) < kept[:, None]

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> AudioEncoding:
        """Raises `DataError` for features of another shape, or shorter than one patch."""
        self._check(features, lengths)
        feature_map: Tensor = self.patch_embedding(features.unsqueeze(1))
        x = self.layer_norm(feature_map.flatten(2).transpose(1, 2))
        mask = None if lengths is None else self.token_mask(lengths, features.shape[1])
        if self.post_extract_proj is not None:
            x = self.post_extract_proj(x)
        sequence = self.encoder(F.dropout(x, self.dropout_input, self.training), mask)
        shown = sequence.new_ones(sequence.shape[:2], dtype=torch.bool) if mask is None else mask
        step_logits = self._step_logits(sequence)
        return AudioEncoding(
            sequence=sequence,
            mask=shown,
            pooled=masked_mean(sequence, shown),
            feature_map=feature_map,
            logits=None if step_logits is None else masked_mean(step_logits, shown),
            step_logits=step_logits,
        )

    def _step_logits(self, sequence: Tensor) -> Tensor | None:
        if self.predictor is None:
            return None
        logits: Tensor = self.predictor(F.dropout(sequence, self.predictor_dropout, self.training))
        return logits

    def _check(self, features: Tensor, lengths: Tensor | None) -> None:
        bands = self.frontend.spec.bands
        if features.ndim != 3 or features.shape[2] != bands:
            raise DataError(
                f"features of shape {tuple(features.shape)}, not [batch, frames, {bands}]",
                remedy="make them with this encoder's `features`",
            )
        if features.shape[1] < self.least_frames:
            raise DataError(
                f"{features.shape[1]} frames are less than one patch of {self.least_frames}",
                remedy=f"pad clips shorter than {self._least_seconds():g} s",
            )
        if lengths is not None and lengths.shape != features.shape[:1]:
            raise DataError(
                f"lengths of shape {tuple(lengths.shape)} for a batch of {features.shape[0]}"
            )

    def _least_seconds(self) -> float:
        spec = self.frontend.spec
        samples = (self.least_frames - 1) * spec.hop_samples + spec.window_samples
        return samples / spec.sample_rate


def _kept(lengths: Tensor, fine: int, coarse: int) -> Tensor:
    """How many of `coarse` cells hold something of the first `lengths` of `fine` ones, when each
    takes `fine // coarse` of them in turn and the remainder is cut."""
    each = fine // coarse
    return ((lengths + each - 1) // each).clamp(max=coarse)
