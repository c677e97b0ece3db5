"""Figures of the embedded model in training, computed as the runtime computes vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from soundseek.audio.frontends import n_frames
from soundseek.audio.windows import iter_windows
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import WaveformStore
from soundseek.lab.distilled.biencoder import BiEncoder
from soundseek.lab.distilled.build import TextBatcher
from soundseek.lab.evaluate import retrieval_scores

_Floats = NDArray[np.float32]


@torch.no_grad()
def embed_store(model: BiEncoder, store: WaveformStore, window_samples: int) -> _Floats:
    """One L2-normalised vector a clip of the store, as the runtime computes it."""
    spec = model.audio_encoder.frontend.spec
    hop = window_samples - (spec.window_samples - spec.hop_samples)
    windows, valid, owners = [], [], []
    for clip in range(len(store.offsets) - 1):
        blocks = [store.read(clip)]
        for window in iter_windows(blocks, store.sample_rate, window_samples, hop):
            windows.append(window.samples)
            valid.append(window.valid_samples)
            owners.append(clip)
    lengths = torch.tensor([max(1, n_frames(n, spec)) for n in valid])
    vectors = []
    for start in range(0, len(windows), 64):
        waveforms = torch.from_numpy(np.stack(windows[start : start + 64]))
        features = model.audio_encoder.features(waveforms)
        vectors.append(model.encode_audio(features, lengths[start : start + 64]).embedding)
    weighted = torch.cat(vectors) * torch.tensor(valid, dtype=torch.float32)[:, None]
    pooled = torch.zeros(len(store.offsets) - 1, weighted.shape[1])
    pooled.index_add_(0, torch.tensor(owners), weighted)
    return F.normalize(pooled, dim=-1).numpy()


def validation_scores(
    model: BiEncoder,
    clips: Sequence[Clip],
    store: WaveformStore,
    batcher: TextBatcher,
    *,
    window_samples: int,
) -> dict[str, float]:
    """Retrieval figures of a model in training (eval mode)."""

    @torch.no_grad()
    def encode_text(texts: list[str]) -> _Floats:
        vectors = [
            model.encode_text(*batcher(texts[i : i + 256])) for i in range(0, len(texts), 256)
        ]
        return torch.cat(vectors).numpy()

    audio = embed_store(model, store, window_samples)
    _, metrics = retrieval_scores(clips, audio, encode_text)
    return {name: metric.value for name, metric in metrics.items()}
