from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.errors import AudioError
from soundseek.lab.data.manifest import Clip
from soundseek.lab.scorecard import RETRIEVAL, ZERO_SHOT, scorecard

pytestmark = pytest.mark.lab

NAMES = ("rain", "wind", "frog", "bell")
VECTORS = dict(zip(NAMES, np.eye(4, dtype=np.float32), strict=True))


def corpus() -> list[Clip]:
    """In every set one clip a name, and one clip that cannot be read; in training, others."""
    sets = [*RETRIEVAL.items(), *ZERO_SHOT.items(), ("train", {})]
    return [
        Clip(
            id=f"{set_name}-{name}",
            path=name,
            duration_s=1.0,
            captions=(name,),
            source=options.get("sources", ("made",))[0],
            split=options.get("split", "train"),
            licence="CC0",
            group=f"{set_name}-{name}",
            label=name,
            tier=options.get("tiers", ("none",))[0],
        )
        for set_name, options in sets
        for name in (*NAMES, "broken")
    ]


def encode_audio(path: str) -> np.ndarray:
    if path == "broken":
        raise AudioError(f"{path} cannot be read")
    return VECTORS[path]


def encode_text(texts: list[str]) -> np.ndarray:
    """Mistakes a bell for a frog."""
    return np.stack([VECTORS["frog" if text == "bell" else text] for text in texts])


def test_every_set_is_scored_on_what_can_be_read() -> None:
    card = scorecard(corpus(), encode_audio, encode_text)
    assert list(card) == [*RETRIEVAL, *ZERO_SHOT]
    for name in RETRIEVAL:
        assert card[name]["clips"] == card[name]["queries"] == 4
        assert card[name]["metrics"]["R@1"]["value"] == 0.75
        low, high = card[name]["metrics"]["R@1"]["ci95"]
        assert low < 0.75 < high
        assert card[name]["metrics"]["medR"]["ci95"] is None
    for name in ZERO_SHOT:
        assert card[name]["clips"] == card[name]["classes"] == 4
        assert card[name]["metrics"]["accuracy"]["value"] == 0.75
