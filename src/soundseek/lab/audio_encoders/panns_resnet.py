"""PANNs' residual network, ResNet38 (Kong et al. 2020, PANNs, section III-B and table II)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.audio.frontends import FrontEndSpec
from soundseek.lab.audio_encoders.log_mel_network import (
    ConvBlock,
    LogMelNetwork,
    Map,
    average_pooled,
    convolution,
    frontend_named,
)
from soundseek.lab.audio_encoders.panns import (
    AUDIOSET_CLASSES,
    classifier,
    counted,
    load_panns,
    rows,
)
from soundseek.lab.checkpoints import Checkpoint

PLANES: Final = (64, 128, 256, 512)
BLOCKS: Final = (3, 4, 6, 3)
WIDTH: Final = 2048

# conv_block1, layers 2 to 4 and the pool behind them halve time and bands.
_REDUCTION = 32


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions and a shortcut. A block that halves does so by average pooling of its
    input, on both ways; the convolutions always have stride 1."""

    def __init__(self, planes: int, out: int, *, halves: bool, dropout: float) -> None:
        super().__init__()
        self.conv1 = convolution(planes, out)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = convolution(out, out)
        self.bn2 = nn.BatchNorm2d(out)
        nn.init.zeros_(self.bn2.weight)
        self.halves = halves
        self.dropout = dropout
        self.downsample: nn.Sequential | None = None
        if halves or planes != out:
            shortcut = [convolution(planes, out, kernel=1), nn.BatchNorm2d(out)]
            self.downsample = nn.Sequential(*([nn.AvgPool2d(2)] if halves else []), *shortcut)

    def forward(self, x: Map) -> Map:
        shortcut = x.values if self.downsample is None else self.downsample(x.values)
        if self.halves:
            x = average_pooled(x)
        y: Tensor = F.relu(self.bn1(self.conv1(x.silenced())))
        y = F.dropout(y, self.dropout, self.training)
        y = self.bn2(self.conv2(Map(y, x.lengths).silenced()))
        return Map(F.relu(y + shortcut), x.lengths)


class ResidualLayers(nn.Module):
    """`layer1` … `layer4` of basic blocks; each layer but the first begins by halving."""

    def __init__(self, planes: Sequence[int], blocks: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.depth = len(planes)
        before = planes[0]
        for number, (out, count) in enumerate(zip(planes, blocks, strict=True), 1):
            layer = nn.ModuleList()
            for index in range(count):
                halves = index == 0 and number > 1
                layer.append(BasicBlock(before, out, halves=halves, dropout=dropout))
                before = out
            self.add_module(f"layer{number}", layer)

    def forward(self, x: Map) -> Map:
        for number in range(1, self.depth + 1):
            for block in self.get_submodule(f"layer{number}").children():
                x = block(x)
        return x


class ResidualNetwork(LogMelNetwork):
    """`conv_block1` → residual layers → 2 × 2 average pooling → `conv_block_after1`, with dropout
    behind each of the three."""

    def __init__(
        self,
        spec: FrontEndSpec,
        *,
        planes: Sequence[int],
        blocks: Sequence[int],
        width: int,
        dropout: float,
        inner_dropout: float,
        head: nn.Module | None,
    ) -> None:
        super().__init__(spec, reduction=_REDUCTION, width=width, head=head)
        counted(planes, len(PLANES), "planes")
        counted(blocks, len(BLOCKS), "blocks")
        self.dropout = dropout
        self.conv_block1 = ConvBlock(1, planes[0])
        self.resnet = ResidualLayers(planes, blocks, inner_dropout)
        self.conv_block_after1 = ConvBlock(planes[-1], width, pool=1)

    def body(self, x: Map) -> Map:
        x = self.conv_block1(x).dropped(self.dropout, self.training)
        x = average_pooled(self.resnet(x)).dropped(self.dropout, self.training)
        x = self.conv_block_after1(x)
        return x.dropped(self.dropout, self.training)


class ResNet38(ResidualNetwork):
    """38 layers; 2048 values every 0.32 s.

    Args:
        planes: channels of the four residual layers; the first is `conv_block1`'s too.
        blocks: how many blocks each of them has. (2, 2, 2, 2) is PANNs' ResNet22.
        width: channels of the last map.
        classes: of the classifier; None for no `embedding` and no `logits`.
        frontend: name of the preset; 64 bands in the public checkpoint.
        dropout: behind the first block, the residual layers and the last block.
        inner_dropout: between the two convolutions of a residual block.
        head_dropout: before fc1 and of the embedding.

    Raises `RecipeError` for another number of planes or blocks, or an unknown front-end.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"planes": (4, 8, 8, 16), "blocks": (1, 2, 1, 1), "width": 16}
    )

    def __init__(
        self,
        *,
        planes: Sequence[int] = PLANES,
        blocks: Sequence[int] = BLOCKS,
        width: int = WIDTH,
        classes: int | None = AUDIOSET_CLASSES,
        frontend: str = "panns_32k",
        dropout: float = 0.2,
        inner_dropout: float = 0.1,
        head_dropout: float = 0.5,
    ) -> None:
        super().__init__(
            frontend_named(frontend),
            planes=planes,
            blocks=blocks,
            width=width,
            dropout=dropout,
            inner_dropout=inner_dropout,
            head=classifier(width, classes, head_dropout),
        )

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """The network of a public checkpoint; see `load_panns`."""
        return load_panns(cls, checkpoint, residual_sizes(checkpoint.tensors), options)


def residual_sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Planes, blocks and width of a checkpoint; the public ones where it does not tell."""
    blocks = []
    for number, public in enumerate(BLOCKS, 1):
        start = f"resnet.layer{number}."
        indices = {
            key.removeprefix(start).split(".")[0] for key in tensors if key.startswith(start)
        }
        blocks.append(len(indices) or public)
    return {
        "planes": tuple(
            rows(tensors, f"resnet.layer{number}.0.conv2.weight", public)
            for number, public in enumerate(PLANES, 1)
        ),
        "blocks": tuple(blocks),
        "width": rows(tensors, "conv_block_after1.conv2.weight", WIDTH),
    }
