"""Audio encoders: the table of all of them. A row names its module, imported when it is asked for.

Each class takes keyword options (the defaults are the public checkpoint's sizes), has
`from_checkpoint(checkpoint, **options)` that reads the sizes from the file and loads it strictly,
and `TINY`, options of a variant that is small enough for a smoke run.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple, Protocol, Self, cast

from torch import Tensor, nn

from soundseek.audio.spec import FrontEndSpec
from soundseek.lab.checkpoints import Checkpoint, read_checkpoint
from soundseek.lab.choices import chosen, placed
from soundseek.lab.encodings import AudioEncoding

_HERE = "soundseek.lab.audio_encoders"


class AudioEncoderModule(Protocol):
    """An audio encoder as the table promises it: a `torch.nn.Module` besides."""

    TINY: ClassVar[Mapping[str, Any]]
    sample_rate: int
    width: int
    seconds_per_step: float
    least_frames: int

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self: ...

    def features(self, waveforms: Tensor) -> Tensor: ...

    def frames(self, samples: int) -> int: ...

    def __call__(self, features: Tensor, lengths: Tensor | None = None) -> AudioEncoding: ...


class Row(NamedTuple):
    """Where the class is, and the options that this name stands for."""

    place: str
    options: Mapping[str, Any] = MappingProxyType({})


AUDIO_ENCODERS: Final[Mapping[str, Row]] = MappingProxyType(
    {
        "mobile": Row(f"{_HERE}.mobile:MobileNet"),
        "panns_cnn10": Row(f"{_HERE}.panns:Cnn10"),
        "panns_cnn14": Row(f"{_HERE}.panns:Cnn14"),
        "panns_cnn14_16k": Row(f"{_HERE}.panns:Cnn14", {"frontend": "panns_16k"}),
        "panns_cnn14_decision_level_max": Row(f"{_HERE}.panns_decision:Cnn14DecisionLevelMax"),
        "panns_resnet38": Row(f"{_HERE}.panns_resnet:ResNet38"),
        "surrey_cnn10": Row(f"{_HERE}.surrey:SurreyCnn10"),
        "surrey_cnn14": Row(f"{_HERE}.surrey:SurreyCnn14"),
        "surrey_resnet38": Row(f"{_HERE}.surrey:SurreyResNet38"),
        "cau_cnn10_gru": Row(f"{_HERE}.cau:Cnn10Gru"),
        "dcase2022_crnn": Row(f"{_HERE}.crnn:Crnn"),
        "vggish": Row(f"{_HERE}.vggish:Vggish"),
        "vggish_crnn": Row(f"{_HERE}.vggish_crnn:VggishCrnn"),
        "beats": Row(f"{_HERE}.beats:Beats"),
        "passt_s": Row(f"{_HERE}.passt:Passt"),
        "passt_l": Row(f"{_HERE}.passt:Passt", {"depth": 7}),
        "yamnet": Row(f"{_HERE}.yamnet:YamnetEncoder"),
        "clap": Row(f"{_HERE}.clap:ClapAudio"),
        "bundle": Row(f"{_HERE}.bundled:BundledModel"),
    }
)


def encoder_class(name: str) -> type[AudioEncoderModule]:
    """The class behind a name. Raises `RecipeError` with the choices for an unknown one."""
    kind: type[AudioEncoderModule] = placed(chosen(AUDIO_ENCODERS, name, "audio encoder").place)
    return kind


def build_audio_encoder(name: str, options: Mapping[str, Any] | None = None) -> AudioEncoderModule:
    """The encoder called `name` with random weights from torch's generator.

    Raises `RecipeError` with the choices for an unknown name or option.
    """
    kind = encoder_class(name)
    return kind(**_checked(kind, name, options))


def load(
    name: str, *, checkpoint: str | Path, options: Mapping[str, Any] | None = None
) -> AudioEncoderModule:
    """The encoder called `name` in eval mode, with the weights of a public checkpoint.

    Raises `DataError` for a file that is missing, damaged or of another architecture, naming every
    key that does not fit.
    """
    kind = encoder_class(name)
    settings = _checked(kind, name, options)
    # An encoder whose public form is a folder reads it itself.
    from_path = getattr(kind, "from_path", None)
    encoder = (
        kind.from_checkpoint(read_checkpoint(checkpoint), **settings)
        if from_path is None
        else cast("AudioEncoderModule", from_path(checkpoint, **settings))
    )
    cast("nn.Module", encoder).eval()
    return encoder


def _checked(
    kind: type[AudioEncoderModule], name: str, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    known = list(inspect.signature(kind.__init__).parameters)[1:]
    for option in options or {}:
        chosen(dict.fromkeys(known), option, f"option of {name}")
    return {**AUDIO_ENCODERS[name].options, **(options or {})}


__all__ = [
    "AUDIO_ENCODERS",
    "AudioEncoderModule",
    "FrontEndSpec",
    "build_audio_encoder",
    "encoder_class",
    "load",
]
