"""Embedding whole corpora: deterministic, and the same for a clip whatever is beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from soundseek.lab.data.waveforms import Waveforms
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.waveforms import padded

_Floats = NDArray[np.float32]


class Share(NamedTuple):
    """What one of several processes does: every `processes`-th batch, from `rank` on."""

    rank: int
    processes: int


_ALL = Share(0, 1)


@torch.no_grad()
def embed_clips(
    model: RetrievalModel,
    store: Waveforms,
    *,
    max_s: float,
    batch: int = 16,
    events: _Floats | None = None,
    share: Share = _ALL,
) -> _Floats:
    """Every clip of the store → `[clips, dimension]`; longer ones are cut at `max_s`.

    A clip that could not be decoded, or is too short for the encoder, is heard as silence of the
    shortest length that it takes. Clips of about one length go together. What is not in `share` is
    0; where nothing is in it, the result has no rows.
    """
    most = round(max_s * store.sample_rate)
    least = model.audio.least_samples
    n = len(store)
    lengths = [min(most, store.length(i)) for i in range(n)]
    order = np.argsort(lengths, kind="stable")
    result: _Floats | None = None
    model.eval()
    for start in range(share.rank * batch, n, share.processes * batch):
        some = order[start : start + batch]
        sounds = [at_least(store.read(int(i), 0, most), least) for i in some]
        waveforms, samples = padded(sounds)
        chosen = None if events is None else torch.from_numpy(events[some]).to(model.device)
        heard = model.embed_audio(waveforms.to(model.device), samples.to(model.device), chosen)
        vectors = heard.embedding.float().cpu().numpy()
        if result is None:
            result = np.zeros((n, vectors.shape[1]), np.float32)
        result[some] = vectors
    return np.zeros((0, 0), np.float32) if result is None else result


@torch.no_grad()
def embed_texts(
    model: RetrievalModel, texts: Sequence[str], batch: int = 64, share: Share = _ALL
) -> _Floats:
    """Texts → `[n, dimension]`; those of about one length go together; `share` as for clips."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    result: _Floats | None = None
    model.eval()
    for start in range(share.rank * batch, len(texts), share.processes * batch):
        some = order[start : start + batch]
        vectors = model.embed_text([texts[i] for i in some]).float().cpu().numpy()
        if result is None:
            result = np.zeros((len(texts), vectors.shape[1]), np.float32)
        result[some] = vectors
    return np.zeros((0, 0), np.float32) if result is None else result


def at_least(waveform: _Floats, samples: int) -> _Floats:
    """The waveform, followed by silence where it is shorter than `samples`."""
    if len(waveform) >= samples:
        return waveform
    longer = np.zeros(samples, np.float32)
    longer[: len(waveform)] = waveform
    return longer
