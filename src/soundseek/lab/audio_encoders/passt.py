"""PaSST (Koutini et al. 2022, "Efficient Training of Audio Transformers with Patchout"): a ViT
over patches of a mel spectrogram with one position table for time and one for frequency. Defaults
are those of the published passt_s checkpoints with stride 10."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from soundseek.audio.frontends import PRESETS, n_frames
from soundseek.errors import DataError, RecipeError
from soundseek.lab.audio_encoders.options import RemembersOptions
from soundseek.lab.audio_encoders.passt_blocks import EPSILON, Block
from soundseek.lab.audio_encoders.passt_chance import (
    Patchout,
    apply_patchout,
    draw_jittered,
    draw_patchout,
)
from soundseek.lab.audio_encoders.passt_checkpoint import network_tensors, sizes_of
from soundseek.lab.checkpoints import Checkpoint, load_strict
from soundseek.lab.encodings import AudioEncoding
from soundseek.lab.frontends import FrontEnd

PATCH = 16
# cls and dist stand before the patches.
_LEADING = 2


class Passt(RemembersOptions, nn.Module):
    """Mel spectrograms `[batch, frames, 128]` (preset `passt_32k`) → `AudioEncoding`.

    `sequence` holds the patches, normalised, in the public code's order: patch f·T + t is column t
    of row f, where T columns lie `seconds_per_step` apart (patchout thins them). `pooled` is the
    mean of the normalised cls and dist tokens, which the public code calls the embedding;
    `logits` come from it. Remaining frames that fill no patch are not read.

    Options:
        stride: of the patches, in bands and frames; one number for both, or (bands, frames).
        input_frames: the longest input, which gives the time table its size.
        patchout_time, patchout_frequency, patchout_tokens: how many columns, then rows, then
            single patches a training batch leaves out.
        classes: of the classifier, None for none.
        overlong: what to do with more columns than the time table has: `error`, or `cut` the end.
        frontend_jitter: move the ends of the mel bands a little for each training batch.

    `patchout_generator` and `jitter_generator` are the sources of chance; None is torch's global
    generator, as for dropout.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"embed_dim": 32, "depth": 2, "heads": 4, "mlp_ratio": 2, "stride": 16, "classes": None}
    )

    def __init__(
        self,
        *,
        embed_dim: int = 768,
        depth: int = 12,
        heads: int = 12,
        mlp_ratio: float = 4,
        stride: int | Sequence[int] = 10,
        input_frames: int = 998,
        patchout_time: int = 0,
        patchout_frequency: int = 0,
        patchout_tokens: int = 0,
        classes: int | None = 527,
        overlong: Literal["error", "cut"] = "error",
        frontend_jitter: bool = False,
    ) -> None:
        super().__init__()
        self.frontend = FrontEnd(PRESETS["passt_32k"])
        spec = self.frontend.spec
        strides = [stride, stride] if isinstance(stride, int) else list(stride)
        problems = []
        if len(strides) != 2 or min(strides) < 1:
            problems.append(f"stride is {stride}, not one or two numbers above 0")
        if heads < 1 or embed_dim % heads:
            problems.append(f"embed_dim {embed_dim} is no multiple of {heads} heads")
        if input_frames < PATCH:
            problems.append(f"input_frames is {input_frames}, less than a patch of {PATCH}")
        if min(patchout_time, patchout_frequency, patchout_tokens) < 0:
            problems.append("patchout is negative")
        if overlong not in ("error", "cut"):
            problems.append(f"overlong is {overlong!r}, not 'error' or 'cut'")
        if problems:
            raise RecipeError(f"passt: {'; '.join(problems)}")
        self.stride = (strides[0], strides[1])
        self.patchout = (patchout_time, patchout_frequency, patchout_tokens)
        self.patchout_generator: torch.Generator | None = None
        self.jitter_generator: torch.Generator | None = None
        self.overlong = overlong
        self.frontend_jitter = frontend_jitter
        self.sample_rate = spec.sample_rate
        self.width = embed_dim
        self.least_frames = PATCH
        self.seconds_per_step = self.stride[1] * spec.hop_samples / spec.sample_rate
        rows, columns = self._patches(spec.bands, 0), self._patches(input_frames, 1)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, embed_dim, PATCH, self.stride)})
        self.cls_token = nn.Parameter(torch.empty(1, 1, embed_dim))
        self.dist_token = nn.Parameter(torch.empty(1, 1, embed_dim))
        self.new_pos_embed = nn.Parameter(torch.empty(1, _LEADING, embed_dim))
        self.freq_new_pos_embed = nn.Parameter(torch.empty(1, embed_dim, rows, 1))
        self.time_new_pos_embed = nn.Parameter(torch.empty(1, embed_dim, 1, columns))
        self.blocks = nn.ModuleList(
            Block(embed_dim, heads, round(embed_dim * mlp_ratio)) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(embed_dim, eps=EPSILON)
        # Not the epsilon of the blocks: the public code builds its head with torch's own default.
        self.head = (
            None
            if classes is None
            else nn.Sequential(nn.LayerNorm(embed_dim), nn.Linear(embed_dim, classes))
        )
        # In every checkpoint, and never used by the public code.
        self.head_dist = None if classes is None else nn.Linear(embed_dim, classes)
        self._initialise()

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """A published network: the net's state, or its wrapper's with keys under `net.`.

        Sizes are read from the tensors; `options` go before them. `classes=None` leaves the
        classifier out. `heads` cannot be read: 64 wide, as in every published network.

        Raises `DataError` for a checkpoint of another network, or when a key does not fit.
        """
        tensors = network_tensors(checkpoint, keep_head=options.get("classes", 0) is not None)
        encoder = cls(**(sizes_of(tensors, checkpoint.path, options) | options))
        load_strict(encoder, tensors, where=checkpoint.path)
        return encoder

    def features(self, waveforms: Tensor) -> Tensor:
        """Waveforms `[batch, samples]` at 32 kHz → `[batch, frames, 128]`."""
        frontend = self.frontend
        if self.training and self.frontend_jitter:
            jittered = draw_jittered(frontend.spec, self.jitter_generator)
            frontend = FrontEnd(jittered).to(waveforms.device)
        features: Tensor = frontend(waveforms)
        return features

    def frames(self, samples: int) -> int:
        return n_frames(samples, self.frontend.spec)

    def tokens(
        self,
        features: Tensor,
        lengths: Tensor | None = None,
        *,
        patchout: Patchout | None = None,
    ) -> Tensor:
        """All normalised tokens `[batch, 2 + patches, width]`: cls, dist, then the patches."""
        return self._encoded(features, lengths, patchout)[0]

    def forward(
        self,
        features: Tensor,
        lengths: Tensor | None = None,
        *,
        patchout: Patchout | None = None,
    ) -> AudioEncoding:
        """Encode; patches that are not wholly within an item's `lengths` frames are no part of it
        (the first column always is).

        A given `patchout` is applied, whatever the mode; without, one is drawn in training where
        the options ask for it. Raises `DataError` for features of another shape, shorter than a
        patch, or longer than the time table unless `overlong` is `cut`.
        """
        tokens, mask = self._encoded(features, lengths, patchout)
        pooled = tokens[:, :_LEADING].mean(1)
        return AudioEncoding(
            sequence=tokens[:, _LEADING:],
            mask=mask,
            pooled=pooled,
            logits=None if self.head is None else self.head(pooled),
        )

    def _encoded(
        self, features: Tensor, lengths: Tensor | None, patchout: Patchout | None
    ) -> tuple[Tensor, Tensor]:
        features = self._checked(features, lengths)
        x = self.patch_embed["proj"](features.transpose(1, 2).unsqueeze(1))
        rows, columns = x.shape[2:]
        x = x + self.time_new_pos_embed[..., :columns] + self.freq_new_pos_embed
        grid = x.permute(0, 2, 3, 1)
        mask = self._mask(lengths, rows, columns, grid)
        if patchout is None and self.training and any(self.patchout):
            time, frequency, single = self.patchout
            patchout = draw_patchout(
                columns,
                rows,
                time=time,
                frequency=frequency,
                tokens=single,
                generator=self.patchout_generator,
            )
        if patchout is None:
            x, mask = grid.flatten(1, 2), mask.flatten(1, 2)
        else:
            x, mask = apply_patchout(grid, patchout), apply_patchout(mask, patchout)
        leading = torch.cat([self.cls_token, self.dist_token], dim=1) + self.new_pos_embed
        x = torch.cat([leading.expand(x.shape[0], -1, -1), x], dim=1)
        seen = None
        if lengths is not None:
            seen = torch.cat([mask.new_ones(mask.shape[0], _LEADING), mask], dim=1)
        for block in self.blocks:
            x = block(x, seen)
        return self.norm(x), mask

    def _mask(self, lengths: Tensor | None, rows: int, columns: int, grid: Tensor) -> Tensor:
        """bool `[batch, rows, columns]`."""
        if lengths is None:
            return torch.ones(grid.shape[:3], dtype=torch.bool, device=grid.device)
        whole = ((lengths - PATCH) // self.stride[1] + 1).clamp(min=1)
        mask = torch.arange(columns, device=lengths.device) < whole[:, None]
        return mask[:, None, :].expand(-1, rows, -1)

    def _checked(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        spec = self.frontend.spec
        if features.ndim != 3 or features.shape[2] != spec.bands:
            raise DataError(
                f"features of shape {tuple(features.shape)}, not [batch, frames, {spec.bands}]",
                remedy="make them with this encoder's `features`",
            )
        if lengths is not None and lengths.shape != features.shape[:1]:
            raise DataError(
                f"lengths of shape {tuple(lengths.shape)} for a batch of {features.shape[0]}"
            )
        frames = features.shape[1]
        if frames < PATCH:
            raise DataError(
                f"{frames} frames are less than one patch of {PATCH}",
                remedy=f"pad clips shorter than {self._seconds(PATCH):g} s",
            )
        columns = self.time_new_pos_embed.shape[-1]
        if self._patches(frames, 1) <= columns:
            return features
        if self.overlong == "error":
            most = columns * self.stride[1] + PATCH - 1
            raise DataError(
                f"{self._seconds(frames):.2f} s of sound ({frames} frames) exceed the time table,"
                f" which ends at {self._seconds(most):.2f} s ({most} frames)",
                remedy="cut the clip into windows (`scene_embedding`), or set overlong to 'cut'",
            )
        return features[:, : (columns - 1) * self.stride[1] + PATCH]

    def _patches(self, cells: int, axis: int) -> int:
        return (cells - PATCH) // self.stride[axis] + 1

    def _seconds(self, frames: int) -> float:
        spec = self.frontend.spec
        return frames * spec.hop_samples / spec.sample_rate

    def _initialise(self) -> None:
        """ViT's: a truncated normal of 0.02, and zeros where nothing is to be added at first."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for table in (
            self.cls_token,
            self.dist_token,
            self.new_pos_embed,
            self.freq_new_pos_embed,
            self.time_new_pos_embed,
        ):
            nn.init.trunc_normal_(table, std=0.02)
