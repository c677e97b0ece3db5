"""VGGish vectors in the place of log-mels: the CRNN of DCASE 2022 over one vector each 0.96 s.

The row "VGGish features" of the CMU report of 2022, section 6.2.2 and table 10. VGGish stays
frozen, without its last ReLU and without PCA.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from soundseek.errors import RecipeError
from soundseek.lab.audio_encoders.crnn import CrnnNetwork, Recurrent, sizes_of
from soundseek.lab.audio_encoders.vggish import EXAMPLE_FRAMES, Vggish
from soundseek.lab.audio_encoders.vggish import sizes_of as vggish_sizes_of
from soundseek.lab.checkpoints import Checkpoint, load_strict, read_checkpoint

# Examples that go through VGGish together: 1.5 MB each in its first layer.
_EXAMPLES_AT_ONCE = 64


class VggishCrnn(CrnnNetwork):
    """VGGish vectors `[batch, examples, 128]`, which `features` makes of waveforms →
    `AudioEncoding` of one step an example; shapes as in `CrnnNetwork`.

    The CRNN pools four examples into one: a clip has to have four of them (3.855 s).

    Args:
        vggish_checkpoint: the public VGGish weights. With `vggish_weights="random"`, which has to
            be asked for, there are none.
        vggish_options: sizes of a random VGGish (`channels`, `hidden`, `width`).
        recurrent, hidden, channels: of the CRNN.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "channels": (4, 8),
            "hidden": 8,
            "vggish_checkpoint": None,
            "vggish_weights": "random",
            "vggish_options": {"channels": (2, 4, 4, 8), "hidden": 16, "width": 64},
        }
    )

    def __init__(
        self,
        *,
        recurrent: Recurrent = "gru",
        hidden: int = 150,
        channels: Sequence[int] = (32, 128),
        vggish_checkpoint: str | Path | None = None,
        vggish_weights: Literal["pretrained", "random"] = "pretrained",
        vggish_options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        vggish = _vggish(vggish_checkpoint, vggish_weights, vggish_options)
        super().__init__(
            bands=vggish.width,
            recurrent=recurrent,
            hidden=hidden,
            channels=channels,
            seconds_per_step=vggish.seconds_per_step,
        )
        self.sample_rate = vggish.sample_rate
        self.vggish = vggish.requires_grad_(False).eval()

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """Load a state dict of this class, VGGish included. Sizes are read from it.

        Raises `DataError` listing every key that does not fit.
        """
        # What VGGish starts from does not matter: the file replaces it.
        start = {
            "vggish_weights": "random",
            "vggish_checkpoint": None,
            "vggish_options": vggish_sizes_of(checkpoint.under("vggish.").tensors),
        }
        encoder = cls(**{**sizes_of(checkpoint.tensors), **options, **start})
        load_strict(encoder, checkpoint.tensors, where=checkpoint.path)
        return encoder

    def resources(self) -> dict[str, Any]:
        """As `RemembersOptions`; the state holds what VGGish starts from."""
        return {**super().resources(), "vggish_weights": "random"}

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.vggish.eval()
        return self

    @torch.no_grad()
    def features(self, waveforms: Tensor) -> Tensor:
        """`[batch, samples]` at 16 kHz → VGGish vectors `[batch, examples, 128]`.

        Raises `AudioError` when there is not one whole example (0.975 s).
        """
        examples = self.vggish.examples(self.vggish.features(waveforms))
        vectors = [
            self.vggish.vectors(self.vggish.maps(some))
            for some in torch.split(examples.flatten(0, 1), _EXAMPLES_AT_ONCE)
        ]
        return torch.cat(vectors).reshape(*examples.shape[:2], self.vggish.width)

    def frames(self, samples: int) -> int:
        """How many examples so many samples give."""
        return self.vggish.frames(samples) // EXAMPLE_FRAMES


def _vggish(checkpoint: str | Path | None, weights: str, options: Mapping[str, Any]) -> Vggish:
    if weights == "random":
        if checkpoint is not None:
            raise RecipeError(
                f"vggish_checkpoint is {checkpoint}, but vggish_weights is 'random'",
                remedy="leave one of them out",
            )
        return Vggish(**{**options, "last_relu": False})
    if weights != "pretrained":
        raise RecipeError(f"vggish_weights is {weights!r}, not 'pretrained' or 'random'")
    if checkpoint is None:
        raise RecipeError(
            "vggish_crnn has no VGGish weights",
            remedy="give vggish_checkpoint, or ask for vggish_weights: random",
        )
    return Vggish.from_checkpoint(read_checkpoint(checkpoint), **{**options, "last_relu": False})
