"""A front-end as data: everything that turns a waveform into a network's input, field by field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from soundseek.audio.mel import MelScale
from soundseek.errors import AudioError

WindowShape = Literal["hann", "hann_symmetric", "povey"]
Padding = Literal["none", "zeros", "reflect"]
PreEmphasis = Literal["none", "clip", "frame"]
Spectrum = Literal["power", "magnitude"]
Compression = Literal["db", "ln_floor", "ln_offset"]


@dataclass(frozen=True, kw_only=True)
class FrontEndSpec:
    """A front-end: waveform [n] → features [frames, bands]. Steps run in the order of the fields.

    Attributes:
        sample_rate: of the waveform, in Hz.
        gain: the waveform is multiplied by it first. Kaldi works on 16-bit scale: 32768.
        pre_emphasis: `clip`: y[i] = x[i + 1] − c·x[i] over the waveform, one sample shorter
            (PaSST); `frame`: y[i] = x[i] − c·x[i − 1] in each frame, whose first sample precedes
            itself (Kaldi); `none`.
        pre_emphasis_coefficient: c above; 0 where `pre_emphasis` is `none`.
        padding: `zeros` or `reflect`: fft_size / 2 samples are put on both sides, so that frame t
            is centred on sample t·hop, and the window is centred in its fft_size samples. `none`:
            frame t starts at sample t·hop, and the remainder after the last whole window is left.
        window_samples: length of the analysis window.
        hop_samples: from one frame to the next.
        remove_frame_mean: subtract from each frame its mean (Kaldi), before `frame` pre-emphasis.
        window: `hann`: periodic; `hann_symmetric`; `povey`: symmetric Hann to the power of 0.85.
        fft_size: even, at least the window; frames are padded with zeros to it.
        spectrum: `power`: |X|²; `magnitude`: |X|.
        mel_scale: `slaney`, `htk` or `kaldi`; see `soundseek.audio.mel`.
        bands: number of mel bands.
        f_min: foot of the first band, in Hz.
        f_max: end of the last band, in Hz.
        compression: `db`: 10·log10(max(m, floor)), reference 1 and no limit below the peak;
            `ln_floor`: ln(max(m, floor)); `ln_offset`: ln(m + floor).
        floor: of `compression`, above 0.
        mean: subtracted from the compressed values.
        scale: they are divided by it after that.
    """

    sample_rate: int
    gain: float = 1.0
    pre_emphasis: PreEmphasis = "none"
    pre_emphasis_coefficient: float = 0.0
    padding: Padding
    window_samples: int
    hop_samples: int
    remove_frame_mean: bool = False
    window: WindowShape = "hann"
    fft_size: int
    spectrum: Spectrum = "power"
    mel_scale: MelScale
    bands: int
    f_min: float
    f_max: float
    compression: Compression
    floor: float
    mean: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Raise AudioError with every problem at once."""
        problems = [*_wrong_types(self)] or [*_wrong_values(self)]
        if problems:
            raise AudioError(f"front-end: {'; '.join(problems)}")

    def to_dict(self) -> dict[str, Any]:
        """Return every field under its name, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FrontEndSpec:
        """Rebuild what `to_dict` gave. Raises AudioError listing unknown and missing names."""
        known = {field.name for field in fields(cls)}
        required = {field.name for field in fields(cls) if field.default is MISSING}
        problems = []
        if unknown := sorted(set(values) - known):
            problems.append(f"unknown: {', '.join(unknown)}")
        if missing := sorted(required - set(values)):
            problems.append(f"missing: {', '.join(missing)}")
        if problems:
            raise AudioError(
                f"front-end: {'; '.join(problems)}",
                remedy=f"the fields are: {', '.join(field.name for field in fields(cls))}",
            )
        return cls(**values)


def _wrong_types(spec: FrontEndSpec) -> list[str]:
    problems = []
    for name, kind in get_type_hints(FrontEndSpec).items():
        value = getattr(spec, name)
        if choices := get_args(kind):
            if value not in choices:
                problems.append(f"{name} is {value!r}, not one of {', '.join(choices)}")
        elif kind is bool:
            if not isinstance(value, bool):
                problems.append(f"{name} is {value!r}, not true or false")
        elif isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
            problems.append(
                f"{name} is {value!r}, not a{'n integer' if kind is int else ' number'}"
            )
        elif not math.isfinite(value):
            problems.append(f"{name} is {value!r}")
    return problems


def _wrong_values(spec: FrontEndSpec) -> list[str]:
    problems = [
        f"{name} is {getattr(spec, name)}, must be above 0"
        for name in ("sample_rate", "hop_samples", "window_samples", "bands", "gain", "floor")
        if getattr(spec, name) <= 0
    ]
    if spec.scale == 0:
        problems.append("scale is 0")
    if spec.fft_size % 2 or spec.fft_size < spec.window_samples:
        problems.append(
            f"fft_size is {spec.fft_size}, must be even and at least the window"
            f" of {spec.window_samples}"
        )
    if not 0 <= spec.f_min < spec.f_max <= spec.sample_rate / 2:
        problems.append(
            f"bands from {spec.f_min:g} to {spec.f_max:g} Hz, must lie in order within"
            f" 0 to {spec.sample_rate / 2:g} Hz"
        )
    if (spec.pre_emphasis == "none") != (spec.pre_emphasis_coefficient == 0):
        problems.append(
            f"pre_emphasis is {spec.pre_emphasis} with coefficient {spec.pre_emphasis_coefficient}"
        )
    return problems
