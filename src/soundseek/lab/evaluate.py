"""Scores of a model on clips with captions: text → audio retrieval, and zero-shot classes.

Every caption is a query; all clips of its group are relevant, so that a clip with the same text is
never counted as a mistake. Evaluation is deterministic: whole clips, window by window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from soundseek.audio.frontends import n_frames
from soundseek.audio.windows import iter_windows
from soundseek.errors import DataError
from soundseek.lab.biencoder import BiEncoder
from soundseek.lab.build import TextBatcher
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import WaveformStore
from soundseek.metrics.intervals import jackknife_interval
from soundseek.metrics.retrieval import Metric, retrieval_metrics

_Floats = NDArray[np.float32]


def queries_of(clips: Sequence[Clip]) -> tuple[list[str], NDArray[np.bool_]]:
    """Every (caption, group) pair once, and which clips answer it: bool `[queries, clips]`."""
    pairs = sorted({(clip.group, caption) for clip in clips for caption in clip.captions})
    groups = np.array([clip.group for clip in clips])
    asked = np.array([group for group, _ in pairs])
    return [caption for _, caption in pairs], asked[:, None] == groups[None, :]


def retrieval_scores(
    clips: Sequence[Clip], audio: _Floats, encode_text: Callable[[list[str]], _Floats]
) -> tuple[int, dict[str, Metric]]:
    """Number of queries, and text → audio metrics; `audio` `[clips, dimension]`."""
    captions, relevant = queries_of(clips)
    if not captions:
        raise DataError(f"none of {len(clips)} clips has a caption")
    scores = encode_text(captions) @ audio.T
    return len(captions), retrieval_metrics(scores, relevant)


def zero_shot(
    clips: Sequence[Clip], audio: _Floats, encode_text: Callable[[list[str]], _Floats]
) -> Metric:
    """Accuracy of naming the class: the class name with the highest similarity wins."""
    labels = [clip.label for clip in clips if clip.label is not None]
    if len(labels) != len(clips):
        raise DataError(f"{len(clips) - len(labels)} of {len(clips)} clips have no class label")
    names = sorted(set(labels))
    chosen = (audio @ encode_text(names).T).argmax(axis=1)
    correct = np.array([names[i] == label for i, label in zip(chosen, labels, strict=True)])
    return Metric(float(correct.mean()), jackknife_interval(correct.astype(np.float64)))


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
