"""Figures of the audio tower in training, computed as the runtime computes vectors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from soundseek.audio.frontends import n_frames
from soundseek.audio.windows import iter_windows
from soundseek.lab.data.waveforms import WaveformStore
from soundseek.lab.distilled.lessons import Validation
from soundseek.lab.distilled.tower import AudioTower
from soundseek.lab.evaluate import retrieval_scores

_Floats = NDArray[np.float32]


@torch.no_grad()
def embed_store(tower: AudioTower, store: WaveformStore, window_samples: int) -> _Floats:
    """One L2-normalised vector a clip of the store, as the runtime computes it."""
    spec = tower.encoder.frontend.spec
    device = tower.log_scale.device
    hop = window_samples - (spec.window_samples - spec.hop_samples)
    windows, valid, owners = [], [], []
    for clip in range(len(store.offsets) - 1):
        blocks = [store.read(clip)]
        for window in iter_windows(blocks, store.sample_rate, window_samples, hop):
            windows.append(window.samples)
            valid.append(window.valid_samples)
            owners.append(clip)
    lengths = torch.tensor([max(1, n_frames(n, spec)) for n in valid], device=device)
    vectors = []
    for start in range(0, len(windows), 64):
        waveforms = torch.from_numpy(np.stack(windows[start : start + 64])).to(device)
        features = tower.encoder.features(waveforms)
        vectors.append(tower(features, lengths[start : start + 64]).embedding.cpu())
    weighted = torch.cat(vectors) * torch.tensor(valid, dtype=torch.float32)[:, None]
    pooled = torch.zeros(len(store.offsets) - 1, weighted.shape[1])
    pooled.index_add_(0, torch.tensor(owners), weighted)
    return F.normalize(pooled, dim=-1).numpy()


def validation_scores(
    tower: AudioTower, validation: Validation, *, window_samples: int
) -> dict[str, float]:
    """Retrieval figures of a tower in training (eval mode), with the text teacher's captions."""
    audio = embed_store(tower, validation.store, window_samples)

    def encode_text(texts: list[str]) -> _Floats:
        return np.stack([validation.captions[text] for text in texts])

    _, metrics = retrieval_scores(validation.clips, audio, encode_text)
    return {name: metric.value for name, metric in metrics.items()}
