"""The running mean of a model's weights (exponential moving average)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def towards(step: int, decay: float) -> float:
    """How far the mean moves towards the weights after `step` (from 1)."""
    return 1.0 - min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Move a copy of the model towards it, as `WeightAverage` does; what is no floating-point value
    becomes as the model has it."""
    mine, theirs = average.state_dict(), model.state_dict()
    floats = [name for name, value in mine.items() if value.is_floating_point()]
    torch._foreach_lerp_(
        [mine[name] for name in floats], [theirs[name] for name in floats], towards(step, decay)
    )
    for name in mine.keys() - set(floats):
        mine[name].copy_(theirs[name])


class WeightAverage:
    """Mean of the floating-point state of `model`, norms' statistics included; everything else is
    as the model has it.

    After step t (from 1) the mean moves by 1 − min(decay, (1 + t) / (10 + t)) towards the weights:
    early on it is a mean over few steps, not one with the beginning (as in Polyak averages of
    TensorFlow and timm).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.mean = {name: value.detach().clone() for name, value in self._state().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step` (from 1)."""
        state = self._state()
        torch._foreach_lerp_(
            list(self.mean.values()), list(state.values()), towards(step, self.decay)
        )

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the model have the mean for as long as the block lasts."""
        own = {name: value.detach().clone() for name, value in self._state().items()}
        self._write(self.mean)
        try:
            yield
        finally:
            self._write(own)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return dict(self.mean)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take what `state` gave."""
        for name, value in self.mean.items():
            value.copy_(state[name])

    def _state(self) -> dict[str, Tensor]:
        return {
            name: value
            for name, value in self.model.state_dict().items()
            if value.is_floating_point()
        }

    @torch.no_grad()
    def _write(self, values: Mapping[str, Tensor]) -> None:
        for name, value in self._state().items():
            value.copy_(values[name])
