"""The two towers: an encoder each, and its projection into the shared space."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.audio.frontends import least_samples as least_of_front_end
from soundseek.errors import RecipeError
from soundseek.lab.audio_encoders import AudioEncoderModule
from soundseek.lab.encodings import AudioEncoding, TextEncoding, Tokens
from soundseek.lab.retrieval.waveforms import front_end, reflected
from soundseek.lab.text_encoders import TextEncoderModule

_LONGEST_NEED_S = 60
_AT_ONCE = 64


def projection(
    width: int, hidden: Sequence[int] | None, dimension: int | None, dropout: float
) -> nn.Module:
    """Linear layers with ReLU between, `hidden` wide, ending at `dimension`; `hidden` None: none.

    Raises `RecipeError` when there is to be a projection and no dimension.
    """
    if hidden is None:
        if dimension not in (None, width):
            raise RecipeError(
                f"an encoder of width {width} without projection cannot meet in {dimension} "
                "dimensions",
                remedy=f"set projection: [] for one linear layer, or space.dimension={width}",
            )
        return nn.Identity()
    if dimension is None:
        raise RecipeError("a projection needs to know where to", remedy="set space.dimension")
    layers: list[nn.Module] = []
    for wide in hidden:
        layers += [nn.Linear(width, wide), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = wide
    layers.append(nn.Linear(width, dimension))
    return nn.Sequential(*layers)


class _Tower(nn.Module):
    """An encoder that may be frozen: no gradients, and in eval mode whatever the tower is in."""

    def __init__(self, encoder: object) -> None:
        super().__init__()
        self.encoder = cast("nn.Module", encoder)
        self._never_trained = {
            name
            for name, parameter in self.encoder.named_parameters()
            if not parameter.requires_grad
        }

    def freeze(self, frozen: bool) -> None:
        """Freeze the encoder, or free it, but for what it keeps frozen itself."""
        self.frozen = frozen
        for name, parameter in self.encoder.named_parameters():
            parameter.requires_grad_(not frozen and name not in self._never_trained)
        if frozen:
            self.encoder.eval()

    def train(self, mode: bool = True) -> _Tower:
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self


class AudioTower(_Tower):
    """Waveforms → encoding and embedding.

    `window_samples`: the encoder hears windows of that length without overlap, the last one as
    long as what is left; None: the whole clip at once. What is left counts when it is a quarter of
    a window and no shorter than the encoder takes, or all there is.

    Attributes:
        least_samples: of the shortest clip that the encoder takes.

    Raises `RecipeError` for windows that are shorter.
    """

    def __init__(
        self,
        encoder: AudioEncoderModule,
        *,
        projected: nn.Module,
        window_samples: int | None,
        pooled: str = "pooled",
        frozen: bool = False,
    ) -> None:
        super().__init__(encoder)
        self.projection = projected
        self.pooled = pooled
        self.least_samples = _least_samples(encoder)
        self.hear_windows(window_samples)
        self.freeze(frozen)

    @property
    def audio_encoder(self) -> AudioEncoderModule:
        return cast("AudioEncoderModule", self.encoder)

    def hear_windows(self, window_samples: int | None) -> None:
        """Hear windows of another length from now on."""
        if window_samples is not None and window_samples < self.least_samples:
            raise RecipeError(
                f"windows of {window_samples} samples are too short: this encoder takes "
                f"{self.least_samples} or more",
                remedy="set a longer audio.window_s, or null",
            )
        self.window_samples = window_samples

    def features(self, waveforms: Tensor, samples: Tensor) -> tuple[Tensor, Tensor, int]:
        """Waveforms `[batch, longest]` → features `[batch · windows, frames, bands]`, valid frames
        `[batch · windows]` (0 where a clip has no such window), and windows a clip."""
        encoder = self.audio_encoder
        length = waveforms.shape[1]
        window = min(self.window_samples or length, length)
        least = max(window // 4, self.least_samples)
        count = -(-length // window)
        if count > 1 and length - (count - 1) * window < least:
            count -= 1
        starts = torch.arange(count, device=samples.device) * window
        left = (samples[:, None] - starts).clamp(0, window)
        left[:, 1:] = torch.where(left[:, 1:] < least, 0, left[:, 1:])
        padded = F.pad(waveforms, (0, max(0, count * window - length)))[:, : count * window]
        rows = reflected(padded.reshape(-1, window), left.flatten(), front_end(encoder))
        most = encoder.frames(window)
        # Autocast would multiply in half precision what a logarithm is then taken of.
        with torch.autocast(rows.device.type, enabled=False):
            features = encoder.features(rows)[:, :most]
        frames = [min(most, encoder.frames(n)) if n else 0 for n in left.flatten().tolist()]
        return features, torch.tensor(frames, device=waveforms.device), count

    def encode(self, features: Tensor, frames: Tensor, count: int) -> AudioEncoding:
        """Features as `features` gives them → one encoding a clip, its windows in a row."""
        if count == 1:
            whole = bool((frames == features.shape[1]).all())
            encoded: AudioEncoding = self.encoder(features, None if whole else frames)
            return encoded
        heard = (frames > 0).nonzero().squeeze(1)
        encoding: AudioEncoding = self.encoder(features[heard], frames[heard])
        return _rejoined(encoding, heard, frames, count)

    def embed(self, encoding: AudioEncoding, events: Tensor | None = None) -> Tensor:
        """Encoding (and sound-event vectors `[batch, classes]`) → `[batch, dimension]`."""
        vector = getattr(encoding, self.pooled)
        if vector is None:
            raise RecipeError(f"this audio encoder gives no {self.pooled}")
        if events is not None:
            vector = torch.cat([vector, events.to(vector)], dim=1)
        embedding: Tensor = self.projection(vector)
        return embedding


class TextTower(_Tower):
    """Texts → tokens, encoding and embedding. Of a frozen encoder vectors can be remembered.

    `written`: how a text is spelt before it is read; None: as it is.
    """

    def __init__(
        self,
        encoder: TextEncoderModule,
        *,
        projected: nn.Module,
        frozen: bool = False,
        written: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__(encoder)
        self.projection = projected
        self.written = written
        self._remembered: dict[str, Tensor] = {}
        self.freeze(frozen)

    def freeze(self, frozen: bool) -> None:
        super().freeze(frozen)
        self._remembered = {}

    @property
    def text_encoder(self) -> TextEncoderModule:
        return cast("TextEncoderModule", self.encoder)

    def tokenise(self, texts: Sequence[str]) -> Tokens:
        """Token ids and mask on the tower's device."""
        if self.written is not None:
            texts = [self.written(text) for text in texts]
        ids, mask = self.text_encoder.tokenise(texts)
        device = self._device()
        return Tokens(ids.to(device), mask.to(device))

    def encode(self, tokens: Tokens) -> TextEncoding:
        """Tokens → encoding."""
        encoding: TextEncoding = self.encoder(tokens.ids, tokens.mask)
        return encoding

    def embed(self, pooled: Tensor) -> Tensor:
        """`[batch, width]` → `[batch, dimension]`."""
        embedding: Tensor = self.projection(pooled)
        return embedding

    def pooled(self, texts: Sequence[str]) -> Tensor:
        """One vector `[width]` a text."""
        if not self.frozen:
            return self.encode(self.tokenise(texts)).pooled
        known = self._remembered | self._read(set(texts) - set(self._remembered))
        return torch.stack([known[text] for text in texts])

    def remember(self, texts: Iterable[str]) -> None:
        """Let a frozen encoder read these now, and not again.

        All at once, since rounding depends on what a text is read with: a run that is resumed
        shall have the same vectors.
        """
        if self.frozen:
            self._remembered = self._read(set(texts))

    @torch.no_grad()
    def _read(self, texts: set[str]) -> dict[str, Tensor]:
        ordered = sorted(texts)
        parts = [ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE)]
        return {
            text: vector
            for part in parts
            for text, vector in zip(part, self.encode(self.tokenise(part)).pooled, strict=True)
        }

    def _device(self) -> torch.device:
        for tensor in (*self.parameters(), *self.buffers()):
            return tensor.device
        return torch.device("cpu")


def _least_samples(encoder: AudioEncoderModule) -> int:
    low, high = 1, encoder.sample_rate * _LONGEST_NEED_S
    while low < high:
        middle = (low + high) // 2
        if encoder.frames(middle) >= encoder.least_frames:
            high = middle
        else:
            low = middle + 1
    spec = front_end(encoder)
    return low if spec is None else max(low, least_of_front_end(spec))


def _rejoined(encoding: AudioEncoding, heard: Tensor, frames: Tensor, count: int) -> AudioEncoding:
    """Windows of a clip put in a row; its vectors are means weighted by the windows' length."""
    clips = len(frames) // count

    def spread(values: Tensor) -> Tensor:
        full = values.new_zeros((clips * count, *values.shape[1:]))
        return full.index_copy(0, heard, values)

    weights = frames.reshape(clips, count).float()
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1.0)

    def mean(values: Tensor | None) -> Tensor | None:
        if values is None:
            return None
        apart = spread(values).reshape(clips, count, -1)
        return (apart * weights.to(apart)[..., None]).sum(1)

    pooled = mean(encoding.pooled)
    assert pooled is not None
    return AudioEncoding(
        sequence=spread(encoding.sequence).reshape(clips, -1, encoding.sequence.shape[-1]),
        mask=spread(encoding.mask).reshape(clips, -1),
        pooled=pooled,
        embedding=mean(encoding.embedding),
        logits=mean(encoding.logits),
    )
