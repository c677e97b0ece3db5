"""What the audio encoder hears in every clip, step by step, kept in a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from soundseek.lab.data.waveforms import Waveforms
from soundseek.lab.retrieval.embedding import at_least
from soundseek.lab.retrieval.waveforms import padded

_LARGEST = float(np.finfo(np.float16).max)
Hear = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Waveforms `[n, longest]` and the samples of each → steps `[n, steps, width]` and their mask."""


@dataclass(frozen=True)
class SoundSequences:
    """`steps` float16 `[all steps, width]`, memory-mapped; clip i has `counts[i]` of them from
    `starts[i]` on, without padding."""

    steps: NDArray[np.float16]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]

    def batch(self, clips: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Sequences float32 `[n, longest, width]` and their masks, as an encoder gives them."""
        lengths = [int(self.counts[i]) for i in clips]
        sequence = np.zeros((len(clips), max(lengths), self.steps.shape[1]), np.float32)
        for row, (i, length) in enumerate(zip(clips, lengths, strict=True)):
            sequence[row, :length] = self.steps[self.starts[i] : self.starts[i] + length]
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        return torch.from_numpy(sequence), mask


@torch.no_grad()
def hear_sequences(
    hear: Hear,
    store: Waveforms,
    file: Path,
    *,
    width: int,
    least: int,
    max_s: float,
    batch: int = 16,
    on_progress: Callable[[int, int], None] | None = None,
) -> SoundSequences:
    """Hear every clip of the store once, and keep its sequence, `width` wide, in `file`.

    Clips are cut at `max_s`, padded to `least` samples and grouped as in `embed_clips`.
    """
    most = round(max_s * store.sample_rate)
    lengths = [min(most, store.length(i)) for i in range(len(store))]
    order = np.argsort(lengths, kind="stable")
    starts = np.zeros(len(store), np.int64)
    counts = np.zeros(len(store), np.int64)
    written = 0
    with file.open("wb") as target:
        for start in range(0, len(store), batch):
            some = order[start : start + batch]
            waveforms, samples = padded(
                [at_least(store.read(int(i), 0, most), least) for i in some]
            )
            for i, sequence, mask in zip(some, *hear(waveforms, samples), strict=True):
                # Attention does not know where its states stand: gaps between windows can go.
                heard = sequence[mask].float().clamp(-_LARGEST, _LARGEST).cpu().numpy()
                target.write(heard.astype(np.float16).tobytes())
                starts[i], counts[i] = written, len(heard)
                written += len(heard)
            if on_progress is not None:
                on_progress(min(start + batch, len(store)), len(store))
    steps = np.memmap(file, np.float16, "r", shape=(written, width))
    return SoundSequences(steps, starts, counts)
