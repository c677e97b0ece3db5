"""Audio encoders: the table of all of them, from name to builder. A builder imports its module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from soundseek.lab.choices import chosen

if TYPE_CHECKING:
    from soundseek.lab.audio_encoders.mobile import MobileNet
    from soundseek.lab.recipe import AudioSection


def _mobile(settings: AudioSection) -> MobileNet:
    from soundseek.lab.audio_encoders.mobile import MobileNet

    return MobileNet(multiplier=settings.multiplier, width=settings.width)


AUDIO_ENCODERS: Final[Mapping[str, Callable[[AudioSection], MobileNet]]] = MappingProxyType(
    {
        "mobile": _mobile,
    }
)


def build_audio_encoder(name: str, settings: AudioSection) -> MobileNet:
    """The encoder called `name`, with random weights from torch's generator.

    Raises `RecipeError` with the choices for an unknown name.
    """
    return chosen(AUDIO_ENCODERS, name, "audio encoder")(settings)
