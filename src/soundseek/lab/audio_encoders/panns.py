"""PANNs' plain convolutional networks, Cnn10 and Cnn14, and the head of the family (Kong et al.
2020, "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition", table I).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self, TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.audio.frontends import PRESETS, FrontEndSpec
from soundseek.errors import DataError, RecipeError
from soundseek.lab.audio_encoders.log_mel_network import (
    ConvBlock,
    LogMelNetwork,
    Map,
    frontend_named,
    linear,
)
from soundseek.lab.checkpoints import Checkpoint, load_strict
from soundseek.lab.encodings import AudioEncoding

CNN10_CHANNELS: Final = (64, 128, 256, 512)
CNN14_CHANNELS: Final = (64, 128, 256, 512, 1024, 2048)
AUDIOSET_CLASSES: Final = 527

_Network = TypeVar("_Network", bound=LogMelNetwork)

# Upstream keeps its front-end's tables in the checkpoint; ours come from the specification.
FRONTEND_TABLES: Final = ("spectrogram_extractor.", "logmel_extractor.")
_MEL_TABLE = "logmel_extractor.melW"
_RATES = ("panns_32k", "panns_16k")


class Classifier(nn.Module):
    """Pooled vector → `embedding` (relu of fc1) and `logits`.

    The dropout of the embedding touches only the embedding: the classifier reads what is before it.
    """

    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = linear(width, width)
        self.fc_audioset = linear(width, classes)
        self.dropout = dropout

    def forward(self, encoding: AudioEncoding) -> AudioEncoding:
        hidden = F.relu(self.fc1(F.dropout(encoding.pooled, self.dropout, self.training)))
        return replace(
            encoding,
            embedding=F.dropout(hidden, self.dropout, self.training),
            logits=self.fc_audioset(hidden),
        )


def classifier(width: int, classes: int | None, dropout: float) -> Classifier | None:
    """The head for so many classes; None for none."""
    return None if classes is None else Classifier(width, classes, dropout)


class PlainNetwork(LogMelNetwork):
    """`conv_block1` … `conv_blockN`, each followed by dropout; every block halves time and bands,
    the last one where `last_pool` is 2."""

    def __init__(
        self,
        spec: FrontEndSpec,
        channels: Sequence[int],
        *,
        last_pool: int,
        dropout: float,
        head: nn.Module | None,
    ) -> None:
        reduction = 2 ** (len(channels) - 1) * last_pool
        super().__init__(spec, reduction=reduction, width=channels[-1], head=head)
        self.dropout = dropout
        self.depth = len(channels)
        before = 1
        for number, out in enumerate(channels, 1):
            pool = last_pool if number == self.depth else 2
            self.add_module(f"conv_block{number}", ConvBlock(before, out, pool=pool))
            before = out

    def body(self, x: Map) -> Map:
        for number in range(1, self.depth + 1):
            x = self.get_submodule(f"conv_block{number}")(x)
            x = x.dropped(self.dropout, self.training)
        return x


class TaggingNetwork(PlainNetwork):
    """A plain network of PANNs, with its classifier.

    Args:
        channels: of the blocks; the public ones by default.
        classes: of the classifier; None for no `embedding` and no `logits`.
        frontend: name of the preset; 64 bands in the public checkpoints.
        dropout: behind every block.
        head_dropout: before fc1 and of the embedding.

    Raises `RecipeError` for another number of channels or an unknown front-end.
    """

    PUBLIC_CHANNELS: ClassVar[tuple[int, ...]]
    LAST_POOL: ClassVar[int]
    HEAD: ClassVar[type[nn.Module]] = Classifier

    def __init__(
        self,
        *,
        channels: Sequence[int] | None = None,
        classes: int | None = AUDIOSET_CLASSES,
        frontend: str = "panns_32k",
        dropout: float = 0.2,
        head_dropout: float = 0.5,
    ) -> None:
        channels = self.PUBLIC_CHANNELS if channels is None else channels
        super().__init__(
            frontend_named(frontend),
            counted(channels, len(self.PUBLIC_CHANNELS), "channels"),
            last_pool=self.LAST_POOL,
            dropout=dropout,
            head=None if classes is None else self.HEAD(channels[-1], classes, head_dropout),
        )

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """The network of a public checkpoint; see `load_panns`."""
        sizes = {"channels": channels_in(checkpoint.tensors, cls.PUBLIC_CHANNELS)}
        return load_panns(cls, checkpoint, sizes, options)


class Cnn10(TaggingNetwork):
    """Four blocks, pooled 2 × 2 each; 512 values every 0.16 s."""

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType({"channels": (4, 8, 8, 16)})
    PUBLIC_CHANNELS = CNN10_CHANNELS
    LAST_POOL = 2


class Cnn14(TaggingNetwork):
    """Six blocks, all but the last pooled 2 × 2; 2048 values every 0.32 s. Cnn14_16k is this with
    the front-end `panns_16k`."""

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType({"channels": (4, 8, 8, 8, 16, 16)})
    PUBLIC_CHANNELS = CNN14_CHANNELS
    LAST_POOL = 1


def load_panns(
    kind: Callable[..., _Network],
    checkpoint: Checkpoint,
    sizes: Mapping[str, Any],
    options: Mapping[str, Any],
) -> _Network:
    """Build `kind` with the `sizes` that its checkpoint shows and the `options`, which win, and
    load it strictly.

    The front-end's tables may be in the file or not. With `classes=None` the file's head is left
    out, and may be missing.

    Raises `DataError` naming every key that does not fit, and for a checkpoint of another rate than
    the front-end's.
    """
    tensors = checkpoint.tensors
    classes = rows(tensors, "fc_audioset.weight", AUDIOSET_CLASSES)
    settings = {"classes": classes, **sizes, **options}
    headless = settings["classes"] is None
    network = kind(**settings)
    refuse_another_rate(network.frontend.spec, tensors, checkpoint)
    load_strict(
        network,
        {f"head.{key}" if key.startswith("fc") else key: value for key, value in tensors.items()},
        where=checkpoint.path,
        ignored=lambda key: (
            key.startswith(FRONTEND_TABLES) or (headless and key.startswith("head.fc"))
        ),
    )
    return network


def refuse_another_rate(
    spec: FrontEndSpec, tensors: Mapping[str, Tensor], checkpoint: Checkpoint
) -> None:
    """Raise `DataError` where the file's mel table is that of the other public rate: the network
    would load and hear everything an octave off."""
    ours = {name: PRESETS[name] for name in _RATES}
    bins = rows(tensors, _MEL_TABLE, 0)
    for name, trained in ours.items():
        if spec in ours.values() and spec != trained and trained.fft_size // 2 + 1 == bins:
            raise DataError(
                f"{checkpoint.path} was trained at {trained.sample_rate:,} Hz, and the front-end "
                f"is for {spec.sample_rate:,} Hz",
                remedy=f"load it with the option frontend={name}",
            )


def channels_in(tensors: Mapping[str, Tensor], otherwise: Sequence[int]) -> tuple[int, ...]:
    """The channels of the blocks of a checkpoint, `otherwise` those of blocks it does not have."""
    return tuple(
        rows(tensors, f"conv_block{number}.conv2.weight", channels)
        for number, channels in enumerate(otherwise, 1)
    )


def rows(tensors: Mapping[str, Tensor], key: str, otherwise: int) -> int:
    """The first size of a tensor; `otherwise` where there is no such tensor."""
    return int(tensors[key].shape[0]) if key in tensors and tensors[key].ndim else otherwise


def counted(values: Sequence[int], count: int, what: str) -> Sequence[int]:
    """`values`, of which there must be `count`. Raises `RecipeError`."""
    if len(values) != count:
        raise RecipeError(
            f"{what} is {list(values)}: {len(values)} numbers", remedy=f"give {count} numbers"
        )
    return values
