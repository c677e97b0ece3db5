"""Filtering on log-mels: what reaches both teacher and student is the same filtered sound."""

from __future__ import annotations

import torch
from torch import Tensor

from soundseek.audio.frontends import FrontEndSpec
from soundseek.errors import RecipeError


def band_gains_db(tilts_db: Tensor, spec: FrontEndSpec) -> Tensor:
    """Tilts `[batch]`, in dB from the first band to the last → gains `[batch, bands]`."""
    ramp = torch.linspace(-0.5, 0.5, spec.bands, device=tilts_db.device)
    return tilts_db[:, None] * ramp[None, :]


def equalised(features: Tensor, gains_db: Tensor, spec: FrontEndSpec) -> Tensor:
    """Change the level of each band of ln(mel + floor) features `[batch, frames, bands]` by
    `gains_db` `[batch, bands]`, as a filter on the waveform would (up to leakage between bands)."""
    if spec.compression != "ln_offset" or spec.mean != 0.0 or spec.scale != 1.0:
        raise RecipeError("equalisation works on ln(mel + floor) features without normalisation")
    per_db = 20.0 if spec.spectrum == "magnitude" else 10.0
    factors = torch.pow(10.0, gains_db / per_db)[:, None, :]
    return ((features.exp() - spec.floor).clamp(min=0.0) * factors + spec.floor).log()
