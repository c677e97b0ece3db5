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
from soundseek.lab.data.waveforms import open_waveforms
from soundseek.lab.retrieval.embedding import embed_clips, embed_texts
from soundseek.lab.retrieval.events import event_vectors
from soundseek.lab.retrieval.trained import Trained

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Teacher:
    """`audio` `[clips, d]`; `text` `[captions, d]`, those of clip i from `starts[i]` on."""

    audio: _Floats
    text: _Floats
    starts: NDArray[np.int64]


def listen(trained: Trained, clips: Sequence[Clip], cache: Path, *, ahead: bool = True) -> Teacher:
    """Let a trained model hear and read all clips and captions; `ahead`: see `open_waveforms`."""
    audio = trained.recipe.audio
    rate = trained.model.audio.audio_encoder.sample_rate
    store = open_waveforms(list(clips), rate, cache, ahead=ahead)
    events = None
    if audio.events is not None:
        seed = trained.recipe.seed
        events = event_vectors(list(clips), audio.events, cache, audio.max_s, seed=seed)
    captions = [caption for clip in clips for caption in clip.captions]
    counts = [len(clip.captions) for clip in clips]
    return Teacher(
        embed_clips(trained.model, store, max_s=audio.max_s, events=events),
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
