"""Sound events over time: class probabilities step by step, brought to another encoder's steps
(as Eren & Sert 2021 give them to a captioner)."""

from __future__ import annotations

import torch
from torch import Tensor

from soundseek.errors import DataError, RecipeError
from soundseek.lab.audio_encoders import AudioEncoderModule


@torch.no_grad()
def step_probabilities(
    encoder: AudioEncoderModule, features: Tensor, lengths: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(probabilities float32 `[batch, steps, classes]`, mask bool `[batch, steps]`, True = sound)
    of an encoder that classifies its steps; zeros where the mask is False.

    `features` `[batch, frames, bands]` and `lengths` `[batch]` (valid frames) are as the encoder
    takes them; a step lasts its `seconds_per_step`. Independent classes: a sigmoid each. Put the
    encoder in eval mode first. Raises `RecipeError` for an encoder without classes of steps.
    """
    encoding = encoder(features, lengths)
    if encoding.step_logits is None:
        raise RecipeError(
            f"{type(encoder).__name__} does not classify its steps",
            remedy="name a tagger of steps such as panns_cnn14_decision_level_max",
        )
    probabilities = encoding.step_logits.float().sigmoid()
    return probabilities.masked_fill(~encoding.mask.unsqueeze(-1), 0.0), encoding.mask


def at_steps(
    probabilities: Tensor,
    seconds_per_step: float,
    target_steps: int,
    target_seconds_per_step: float,
    mask: Tensor | None = None,
) -> Tensor:
    """Values of steps `[batch, steps, classes]` → of another encoder's steps
    `[batch, target_steps, classes]`: the mean over the time that they share, by its length.

    Step i of either lasts from i to i + 1 times its seconds. `mask` bool `[batch, steps]` (None:
    all valid): steps that do not count. A target step that shares no time with a valid step has
    the values of the last valid one; where none is valid, zeros. The type is kept.

    Raises `DataError` for seconds that are not positive, fewer than one step, or another shape of
    `mask`.
    """
    batch, steps = probabilities.shape[:2]
    if mask is None:
        mask = torch.ones(batch, steps, dtype=torch.bool, device=probabilities.device)
    if not (seconds_per_step > 0 and target_seconds_per_step > 0 and target_steps > 0 and steps):
        raise DataError(
            f"{steps} steps of {seconds_per_step} s cannot be brought to {target_steps} of "
            f"{target_seconds_per_step} s",
            remedy="give at least one step of either, and positive seconds",
        )
    if mask.shape != (batch, steps):
        raise DataError(f"a mask {tuple(mask.shape)} for {batch} items of {steps} steps")
    # Double: many steps of a third of a second must still meet where they should.
    starts = torch.arange(steps, dtype=torch.float64) * seconds_per_step
    wanted = torch.arange(target_steps, dtype=torch.float64)[:, None] * target_seconds_per_step
    ends = torch.minimum(starts + seconds_per_step, wanted + target_seconds_per_step)
    shared = (ends - torch.maximum(starts, wanted)).clamp(min=0.0)
    # What rounding alone makes two steps share is no time.
    shared[shared < 1e-6 * min(seconds_per_step, target_seconds_per_step)] = 0.0
    weights = shared.to(probabilities.device) * mask[:, None, :]
    positions = torch.arange(steps, device=mask.device)
    last = positions == torch.where(mask, positions, -1).amax(1, keepdim=True)
    weights = torch.where(weights.sum(-1, keepdim=True) > 0, weights, last[:, None, :].double())
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)
    # Zero times what stands at a masked step would be NaN where that is.
    values = probabilities.double().masked_fill(~mask.unsqueeze(-1), 0.0)
    return (weights @ values).to(probabilities.dtype)
