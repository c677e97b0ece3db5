"""The audio tower of a Hugging Face CLAP without feature fusion: HTSAT, a Swin transformer on a
folded log-mel, and the projection (Wu et al. 2023; Chen et al. 2022).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.audio.frontends import least_samples, n_frames
from soundseek.audio.spec import FrontEndSpec
from soundseek.errors import AudioError, DataError, RecipeError
from soundseek.lab.audio_encoders.clap_files import CLAP_48K, WEIGHTS, frontend_of, sizes_of
from soundseek.lab.checkpoints import Checkpoint, load_strict, read_checkpoint
from soundseek.lab.encodings import AudioEncoding
from soundseek.lab.frontends import FrontEnd
from soundseek.lab.text_encoders import hub

WINDOW_SECONDS: Final = 10
# What no hub name ends in.
_SUFFIXES: Final = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
# The other tower, and the temperatures.
_ELSEWHERE: Final = ("text_model.", "text_projection.", "logit_scale_")


def repeat_padded(waveforms: Tensor, samples: int) -> Tensor:
    """Waveforms `[batch, n]` repeated as often as they fit whole into `samples`, then zeros.

    How the public model hears clips of less than 10 s ("repeatpad" of ClapFeatureExtractor).
    Raises `AudioError` for longer ones.
    """
    n = waveforms.shape[1]
    if not 0 < n <= samples:
        raise AudioError(
            f"a waveform of {n} samples, with room for {samples}",
            remedy="give windows of at most that length",
        )
    repeated = waveforms.repeat(1, samples // n)
    return F.pad(repeated, (0, samples - repeated.shape[1]))


def repeat_padded_frames(
    features: Tensor, lengths: Tensor, frames: int, *, silence: float
) -> Tensor:
    """`repeat_padded` on frames: features `[batch, n, bands]` → `[batch, frames, bands]`.

    Only the first `lengths` `[batch]` frames of an item count, at least one. `silence` is what
    follows where a last repetition would be cut off.
    """
    positions = torch.arange(frames, device=features.device)[None]
    lengths = lengths[:, None]
    # The last frame is centred on the end, which is where the next repetition starts.
    period = (lengths - 1).clamp(min=1)
    whole = lengths >= frames
    taken = torch.where(whole, positions, positions % period)
    silent = ~whole & (positions >= positions[:, -1:] // period * period)
    filled = features.gather(1, taken[..., None].expand(-1, -1, features.shape[2]))
    return filled.masked_fill(silent[..., None], silence)


class ClapAudio(nn.Module):
    """Log-mels `[batch, frames, 64]` of at most 10 s → `AudioEncoding`.

    `pooled` is the mean over steps and bands (transformers' pooler output), `embedding` its
    L2-normalised projection into the space that the public model shares with its text tower.

    The network hears 10 s. A shorter item's frames are repeated as often as they fit whole, and
    silence follows: "repeatpad" of the public code on frames instead of samples, so that it is the
    item's own length that counts, whatever it is padded with in the batch. They differ where one
    repetition meets the next; `repeat_padded` before `features` gives the public values.

    Args:
        patch_width: channels of the first stage; each stage doubles them.
        depths, heads: of the stages.
        projection: width of the shared space.
        settings: further fields of transformers' ClapAudioConfig.
        frontend: fields of `FrontEndSpec` that differ from `CLAP_48K`.

    Raises `RecipeError` for sizes that do not fit together.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"patch_width": 8, "depths": (1, 1, 1), "heads": (1, 2, 2), "projection": 16}
    )

    def __init__(
        self,
        *,
        patch_width: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        heads: Sequence[int] = (4, 8, 16, 32),
        projection: int = 512,
        settings: Mapping[str, Any] | None = None,
        frontend: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        _check_sizes(patch_width, depths, heads)
        width = patch_width * 2 ** (len(depths) - 1)
        document = {
            **(settings or {}),
            "model_type": "clap_audio_model",
            "patch_embeds_hidden_size": patch_width,
            "depths": list(depths),
            "num_attention_heads": list(heads),
            "num_hidden_layers": len(depths),
            "hidden_size": width,
            "projection_dim": projection,
        }
        config = hub.config_from(document, where="clap's sizes")
        if config.enable_fusion:
            raise RecipeError(
                "CLAP with feature fusion cannot be run: it mixes random crops of long clips",
                remedy="use a model without, laion/clap-htsat-unfused for one",
            )
        library = hub.transformers_library()
        with hub.quiet():
            whole = library.ClapAudioModelWithProjection(config)
        # Its two parts under their own names: the keys are those of the public checkpoint.
        self.audio_model = whole.audio_model
        self.audio_projection = whole.audio_projection
        spec = FrontEndSpec.from_dict({**CLAP_48K.to_dict(), **(frontend or {})})
        self.frontend = FrontEnd(spec)
        self.sample_rate = spec.sample_rate
        self.width = width
        self.embedding_width = projection
        self.least_frames = 1
        self._silence = (10.0 * math.log10(spec.floor) - spec.mean) / spec.scale
        self.window_frames = n_frames(WINDOW_SECONDS * spec.sample_rate, spec)
        fold = config.spec_size // config.num_mel_bins
        if self.window_frames > config.spec_size * fold or spec.bands != config.num_mel_bins:
            raise RecipeError(
                f"a log-mel of {self.window_frames} × {spec.bands} does not fit CLAP's image of "
                f"{config.spec_size * fold} × {config.num_mel_bins}",
                remedy="change settings or frontend",
            )
        stride = config.patch_stride
        stride = stride if isinstance(stride, int) else stride[1]
        self.steps = fold * (config.spec_size // 2 ** (len(depths) - 1) // stride)
        self.seconds_per_step = WINDOW_SECONDS / self.steps
        self._options = {
            "patch_width": patch_width,
            "depths": list(depths),
            "heads": list(heads),
            "projection": projection,
            "settings": dict(settings or {}),
            "frontend": dict(frontend or {}),
        }

    @classmethod
    def from_path(cls, path: str | Path, **options: Any) -> Self:
        """The tower of a folder, of a file with its config.json beside it, or of a hub name.

        Raises `DataError` for what is missing, damaged, with feature fusion, or does not fit;
        `RecipeError` for options, since the sizes are the checkpoint's.
        """
        path = Path(path)
        if path.is_file() or path.suffix in _SUFFIXES:
            return cls.from_checkpoint(read_checkpoint(path), **options)
        model = path.as_posix()
        return cls._loaded(model, read_checkpoint(hub.required(model, *WEIGHTS)), options)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """The tower of a checkpoint with config.json, and perhaps preprocessor_config.json, beside
        it. Raises as `from_path`."""
        return cls._loaded(str(checkpoint.path.parent), checkpoint, options)

    @classmethod
    def _loaded(cls, model: str, checkpoint: Checkpoint, options: Mapping[str, Any]) -> Self:
        if options:
            raise RecipeError(
                f"{', '.join(options)} of clap: a checkpoint brings its own sizes",
                remedy="leave them out, or build a random one",
            )
        encoder = cls(**sizes_of(model), frontend=frontend_of(model))
        own = {
            key: value
            for key, value in checkpoint.tensors.items()
            if not key.startswith(_ELSEWHERE)
        }
        # Tables that follow from the sizes; not every version of transformers saves them.
        tables = {
            key: value
            for key, value in encoder.state_dict().items()
            if key.endswith("relative_position_index")
        }
        load_strict(encoder, tables | own, where=checkpoint.path)
        return encoder

    @classmethod
    def from_resources(cls, resources: Mapping[str, Any]) -> Self:
        """The encoder that `resources` describes, its weights to be loaded."""
        return cls(**resources)

    def resources(self) -> dict[str, Any]:
        """The options that make this encoder again, without its weights."""
        return dict(self._options)

    def features(self, waveforms: Tensor) -> Tensor:
        """Waveforms `[batch, samples]` at 48 kHz → `[batch, frames, 64]` in dB."""
        least = least_samples(self.frontend.spec)
        if waveforms.shape[-1] < least:
            raise AudioError(
                f"a waveform of {waveforms.shape[-1]} samples is too short for this front-end",
                remedy=f"give at least {least} samples",
            )
        features: Tensor = self.frontend(waveforms)
        return features

    def frames(self, samples: int) -> int:
        """How many frames `features` makes of so many samples."""
        return n_frames(samples, self.frontend.spec)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> AudioEncoding:
        if features.shape[1] > self.window_frames:
            raise DataError(
                f"{features.shape[1]} frames are more than CLAP hears at once "
                f"({self.window_frames}, {WINDOW_SECONDS} s)",
                remedy=f"cut the clips into windows of {WINDOW_SECONDS} s",
            )
        batch, frames, _ = features.shape
        if lengths is None:
            lengths = torch.full((batch,), frames, device=features.device)
        lengths = lengths.clamp(1, frames)
        filled = repeat_padded_frames(features, lengths, self.window_frames, silence=self._silence)
        output = self.audio_model(input_features=filled[:, None])
        feature_map: Tensor = output.last_hidden_state
        steps = torch.arange(self.steps, device=features.device)
        return AudioEncoding(
            sequence=feature_map.mean(2).transpose(1, 2),
            mask=steps[None] * self.window_frames < lengths[:, None] * self.steps,
            pooled=output.pooler_output,
            feature_map=feature_map,
            embedding=F.normalize(self.audio_projection(output.pooler_output), dim=-1),
        )


def _check_sizes(patch_width: int, depths: Sequence[int], heads: Sequence[int]) -> None:
    problems = []
    if not depths or len(depths) != len(heads):
        problems.append(f"depths {list(depths)} and heads {list(heads)} are not of as many stages")
    problems += [
        f"{patch_width * 2**stage} channels of stage {stage + 1} cannot be shared by {n} heads"
        for stage, n in enumerate(heads)
        if n < 1 or (patch_width * 2**stage) % n
    ]
    if problems:
        raise RecipeError(f"clap: {'; '.join(problems)}", remedy="change patch_width or heads")
