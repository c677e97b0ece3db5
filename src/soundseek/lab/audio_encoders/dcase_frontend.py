"""The log-mel front-end of the DCASE 2022 task 6B baseline, at its own rate and at 16 kHz."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from soundseek.audio.frontends import PRESETS, FrontEndSpec
from soundseek.lab.choices import chosen

_AT_44K = PRESETS["dcase2022_44k"]

_FRONTENDS: Final[Mapping[str, FrontEndSpec]] = MappingProxyType(
    {
        "dcase2022_44k": _AT_44K,
        # The same 40 ms windows every 20 ms; the transform is the next power of two, as there.
        # The bands end at 8 kHz at either rate, which is all that 16 kHz can hold.
        "dcase2022_16k": replace(
            _AT_44K,
            sample_rate=16_000,
            window_samples=640,
            hop_samples=320,
            fft_size=1024,
            f_max=8000.0,
        ),
    }
)


def dcase2022_frontend(name: str) -> FrontEndSpec:
    """The front-end called `dcase2022_44k` (the baseline's) or `dcase2022_16k`: 64 Slaney bands,
    natural logarithm, 50 frames a second.

    Raises `RecipeError` with the choices for another name.
    """
    return chosen(_FRONTENDS, name, "DCASE 2022 front-end")
