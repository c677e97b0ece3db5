"""All that the audio tower learns from: sounds, the vectors of their captions, and the teachers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import WaveformStore
from soundseek.lab.distilled.plans import Captioned
from soundseek.lab.teachers.anchored import AnchoredTeacher
from soundseek.lab.teachers.yamnet import Yamnet


@dataclass(frozen=True)
class Validation:
    """Clips that are only measured on, and the text teacher's vectors of their captions."""

    clips: list[Clip]
    store: WaveformStore
    captions: dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Lessons:
    """`vectors` `[texts, dimension]` are the text teacher's, of the captions that `captioned`
    points to; `anchors` `[classes, dimension]` place the class names."""

    samples: NDArray[np.int16]
    offsets: NDArray[np.int64]
    captioned: Captioned
    vectors: Tensor
    anchors: Tensor
    yamnet: Yamnet
    teacher: AnchoredTeacher
    validation: Validation | None
