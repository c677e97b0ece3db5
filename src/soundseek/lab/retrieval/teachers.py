"""Teachers of estimated correspondences: what trained models say of every (sound, caption) pair.

CP-JKU 2024: the target for sound i and caption j of a batch is the mean over the teachers of their
similarity, from vectors that are computed once, without augmentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import open_store
from soundseek.lab.retrieval.embedding import embed_clips, embed_texts
from soundseek.lab.retrieval.trained import Trained

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Teacher:
    """`audio` `[clips, d]`; `text` `[captions, d]`, those of clip i from `starts[i]` on."""

    audio: _Floats
    text: _Floats
    starts: NDArray[np.int64]


def listen(trained: Trained, clips: Sequence[Clip], cache: Path) -> Teacher:
    """Let a trained model hear and read all clips and captions."""
    store = open_store(list(clips), trained.model.audio.audio_encoder.sample_rate, cache)
    captions = [caption for clip in clips for caption in clip.captions]
    counts = [len(clip.captions) for clip in clips]
    return Teacher(
        embed_clips(trained.model, store, max_s=trained.recipe.audio.max_s),
        embed_texts(trained.model, captions),
        np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64),
    )


def correspondences(
    teachers: Sequence[Teacher], clips: Sequence[int], captions: Sequence[int]
) -> Tensor:
    """`[n, n]`: mean over teachers of the similarity of sound i and caption j of the batch."""
    rows: Any = np.array(clips)
    total = np.zeros((len(rows), len(rows)), np.float32)
    for teacher in teachers:
        text = teacher.text[teacher.starts[rows] + np.array(captions)]
        total += teacher.audio[rows] @ text.T
    return torch.from_numpy(total / len(teachers))
