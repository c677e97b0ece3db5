"""Surrey's audio encoders (Mei et al., DCASE 2022 task 6B, section 3.1; ASE in "On Metric Learning
for Audio-Text Cross-Modal Retrieval", Interspeech 2022): PANNs' convolutions, fine-tuned, with a
projection into the shared space in the place of the classifier.

They are not PANNs with another head: the last block of Cnn14 pools 2 × 2 here, so that the same
weights give other features, and the dropouts differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar

from torch import Tensor, nn

from soundseek.lab.audio_encoders.log_mel_network import LogMelNetwork, frontend_named
from soundseek.lab.audio_encoders.panns import (
    CNN10_CHANNELS,
    CNN14_CHANNELS,
    Cnn10,
    Cnn14,
    PlainNetwork,
    channels_in,
    counted,
    refuse_another_rate,
    rows,
)
from soundseek.lab.audio_encoders.panns_resnet import (
    BLOCKS,
    PLANES,
    WIDTH,
    ResidualNetwork,
    ResNet38,
    residual_sizes,
)
from soundseek.lab.checkpoints import Checkpoint, load_strict
from soundseek.lab.encodings import AudioEncoding

AUDIO_PREFIX = "audio_enc.audio_enc."
_AUDIO_HEAD = "audio_linear."
_TEXT_HEAD = "text_linear."

_Network = TypeVar("_Network", bound=LogMelNetwork)


class Projection(nn.Module):
    """Pooled vector → `embedding` in the shared space, not normalised: Linear, ReLU, Linear."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.layers = _two_layers(width, hidden, out)

    def forward(self, encoding: AudioEncoding) -> AudioEncoding:
        return replace(encoding, embedding=self.layers(encoding.pooled))


class PlainSurreyNetwork(PlainNetwork):
    """A plain network of PANNs without classifier, every block pooled 2 × 2.

    Args:
        channels: of the blocks; the public ones by default.
        projection: sizes (hidden, shared) of the projection that gives `embedding`; None for none.
            Read from a checkpoint that has one.
        frontend: name of the preset.
        dropout: behind every block.

    Raises `RecipeError` for another number of channels or an unknown front-end.
    """

    PUBLIC_CHANNELS: ClassVar[tuple[int, ...]]

    def __init__(
        self,
        *,
        channels: Sequence[int] | None = None,
        projection: Sequence[int] | None = None,
        frontend: str = "panns_32k",
        dropout: float = 0.2,
    ) -> None:
        channels = self.PUBLIC_CHANNELS if channels is None else channels
        super().__init__(
            frontend_named(frontend),
            counted(channels, len(self.PUBLIC_CHANNELS), "channels"),
            last_pool=2,
            dropout=dropout,
            head=_projection(channels[-1], projection),
        )

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """The network of a checkpoint of Surrey's or of PANNs'; see `load_surrey`."""
        return load_surrey(
            cls,
            checkpoint,
            lambda tensors: {"channels": channels_in(tensors, cls.PUBLIC_CHANNELS)},
            options,
        )


class SurreyCnn10(PlainSurreyNetwork):
    """Cnn10: 512 values every 0.16 s; upstream's projection is (1024, 1024)."""

    TINY: ClassVar[Mapping[str, Any]] = Cnn10.TINY
    PUBLIC_CHANNELS = CNN10_CHANNELS


class SurreyCnn14(PlainSurreyNetwork):
    """Cnn14, its last block pooled 2 × 2 as well: 2048 values every 0.64 s; upstream's projection
    is (2048, 1024), and its dropout always 0.2."""

    TINY: ClassVar[Mapping[str, Any]] = Cnn14.TINY
    PUBLIC_CHANNELS = CNN14_CHANNELS


class SurreyResNet38(ResidualNetwork):
    """ResNet38 without classifier; 2048 values every 0.32 s.

    Args: as of `ResNet38`, with a `projection` as of `SurreyCnn10` ((2048, 1024) upstream) in the
    place of the classifier, and an inner dropout of 0.2.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType(ResNet38.TINY)

    def __init__(
        self,
        *,
        planes: Sequence[int] = PLANES,
        blocks: Sequence[int] = BLOCKS,
        width: int = WIDTH,
        projection: Sequence[int] | None = None,
        frontend: str = "panns_32k",
        dropout: float = 0.2,
        inner_dropout: float = 0.2,
    ) -> None:
        super().__init__(
            frontend_named(frontend),
            planes=planes,
            blocks=blocks,
            width=width,
            dropout=dropout,
            inner_dropout=inner_dropout,
            head=_projection(width, projection),
        )

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """The network of a checkpoint of Surrey's or of PANNs'; see `load_surrey`."""
        return load_surrey(cls, checkpoint, residual_sizes, options)


def load_surrey(
    kind: Callable[..., _Network],
    checkpoint: Checkpoint,
    sizes_in: Callable[[Mapping[str, Tensor]], dict[str, Any]],
    options: Mapping[str, Any],
) -> _Network:
    """Build `kind` with the sizes that its checkpoint shows and the `options`, which win, and load
    it strictly.

    Two layouts: a whole ASE model, of which the text encoder is left out, and PANNs, of which every
    key counts but those with `fc` in them and those that begin with `spec` or `logmel`.

    Raises `DataError` naming every key that does not fit.
    """
    whole = any(key.startswith(AUDIO_PREFIX) for key in checkpoint.tensors)
    tensors = checkpoint.under(AUDIO_PREFIX).tensors if whole else checkpoint.tensors
    head = checkpoint.under(_AUDIO_HEAD).tensors
    settings = sizes_in(tensors)
    if head:
        settings["projection"] = (rows(head, "0.weight", 1), rows(head, "2.weight", 1))
    settings |= options
    network = kind(**settings)
    refuse_another_rate(network.frontend.spec, tensors, checkpoint)
    beside = {
        key: value
        for key, value in checkpoint.tensors.items()
        if whole and not key.startswith((AUDIO_PREFIX, _AUDIO_HEAD, "text_"))
    }
    projected = settings.get("projection") is not None
    load_strict(
        network,
        beside | dict(tensors) | {f"head.layers.{key}": value for key, value in head.items()},
        where=checkpoint.path,
        # Upstream's Cnn14 owns an fc1 that nothing reads.
        ignored=lambda key: (
            "fc" in key
            or key.startswith(("spec", "logmel"))
            or (key.startswith("head.") and not projected)
        ),
    )
    return network


def text_projection(checkpoint: Checkpoint) -> nn.Sequential:
    """The text side's projection of a whole ASE checkpoint, in eval mode: BERT's first token
    `[batch, 768]` → `[batch, shared]`, not normalised.

    Raises `DataError` where the file has none or not all of it.
    """
    head = checkpoint.under(_TEXT_HEAD)
    weights = [head.tensors.get(key) for key in ("0.weight", "2.weight")]
    (hidden, width), (out, _) = (
        (1, 1) if weight is None or weight.ndim != 2 else weight.shape for weight in weights
    )
    layers = _two_layers(width, hidden, out)
    load_strict(layers, head.tensors, where=f"{checkpoint.path} ({_TEXT_HEAD})")
    return layers.eval()


def _projection(width: int, sizes: Sequence[int] | None) -> Projection | None:
    return None if sizes is None else Projection(width, *counted(sizes, 2, "projection"))


def _two_layers(width: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, out))
