"""Sound-event vectors: what a frozen tagger hears in each clip, as 0 and 1 (CMU 2022, sec. 7)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from soundseek.errors import RecipeError
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import open_store
from soundseek.lab.retrieval.build import build_tagger
from soundseek.lab.retrieval.embedding import at_least
from soundseek.lab.retrieval.recipe import Events
from soundseek.lab.retrieval.waveforms import padded

_Floats = NDArray[np.float32]


@torch.no_grad()
def event_vectors(
    clips: list[Clip], events: Events, cache: object, max_s: float, *, seed: int
) -> _Floats:
    """`[clips, classes]`: 1 where the tagger's probability for the clip is above the threshold.

    `seed`: of a tagger with random weights, which is then the same for every part.

    Raises `RecipeError` for an encoder without classes.
    """
    tagger = build_tagger(events, seed)
    store = open_store(clips, tagger.sample_rate, str(cache))
    least = tagger.sample_rate
    rows = []
    for i in range(len(clips)):
        sound = at_least(store.read(i, 0, round(max_s * tagger.sample_rate)), least)
        waveforms, _ = padded([sound])
        probabilities = tagger(tagger.features(waveforms)).probabilities
        if probabilities is None:
            raise RecipeError(
                f"{events.tagger} has no classes", remedy="name a tagger such as panns_cnn14"
            )
        rows.append((probabilities[0] > events.threshold).float().numpy())
    return np.stack(rows)
