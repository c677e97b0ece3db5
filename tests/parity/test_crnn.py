"""The DCASE 2022 baseline's encoders against arrays recorded from its public code, with stand-in
weights rebuilt from the keys' names (golden/README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from support.golden_weights import deterministic_state_dict, fingerprint, test_waveforms

pytest.importorskip("torch")

import torch
from torch.nn import functional as F

from soundseek.lab.audio_encoders import load
from soundseek.lab.audio_encoders.crnn import Crnn
from soundseek.lab.text_encoders.word_vectors import WordVectors

pytestmark = pytest.mark.lab

GOLDEN = Path(__file__).parent / "golden"
SPEC = json.loads((GOLDEN / "crnn_baseline.spec.json").read_text())
WAVES = test_waveforms(44_100)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "crnn_baseline.golden.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    arrays = deterministic_state_dict(SPEC["spec"])
    assert fingerprint(arrays) == SPEC["weights_sha256"]
    return {key: torch.from_numpy(value) for key, value in arrays.items()}


@pytest.fixture(scope="module")
def encoder(state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Crnn:
    """From a file laid out as the public one is."""
    path = tmp_path_factory.mktemp("crnn") / "checkpoint"
    torch.save((state, {"state": {}, "param_groups": []}), path)
    crnn = load("dcase2022_crnn", checkpoint=path)
    assert isinstance(crnn, Crnn)
    return crnn


def largest_difference(ours: torch.Tensor, golden: dict[str, np.ndarray], key: str) -> float:
    """Of the largest magnitude."""
    described = SPEC["arrays"][key]
    assert list(ours.shape) == described["shape"]
    got = ours.detach().numpy().reshape(-1)[:: described["stride"]]
    theirs = golden[key].reshape(-1)
    return float(np.abs(got - theirs).max() / np.abs(theirs).max())


@torch.no_grad()
@pytest.mark.parametrize("name", ["short", "mid", "long"])
def test_every_array(encoder: Crnn, golden: dict[str, np.ndarray], name: str) -> None:
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        encoder.cnn.features[3].register_forward_hook(
            lambda _, __, out: seen.update(first_lp_pool=out)
        ),
        encoder.get_submodule("gru").register_forward_hook(
            lambda _, __, out: seen.update(gru=out[0])
        ),
    ]
    features = encoder.features(torch.from_numpy(WAVES[name])[None])
    assert features.shape[1] == encoder.frames(len(WAVES[name]))
    encoding = encoder(features)
    for hook in hooks:
        hook.remove()
    assert encoding.feature_map is not None
    assert encoding.embedding is not None
    assert encoding.sequence.shape == (1, features.shape[1], encoder.width)
    seen |= {
        "logmel": features[0],
        "cnn": encoding.feature_map,
        "pooled": encoding.pooled,
        "embedding": encoding.embedding,
    }
    keys = [key for key in SPEC["arrays"] if key.startswith(f"{name}.")]
    assert len(keys) >= 5
    for key in keys:
        assert largest_difference(seen[key.partition(".")[2]], golden, key) < 1e-5, key


@torch.no_grad()
@pytest.mark.parametrize("name", ["short", "mid", "long"])
def test_with_lengths_too(encoder: Crnn, golden: dict[str, np.ndarray], name: str) -> None:
    logmel = torch.from_numpy(golden[f"{name}.logmel"]).float()
    padded = F.pad(logmel, (0, 0, 0, 37))[None]
    encoding = encoder(padded, torch.tensor([len(logmel)]))
    assert encoding.embedding is not None
    assert largest_difference(encoding.embedding, golden, f"{name}.embedding") < 1e-5
    # The baseline counts the padding, which is not harmless: this has to differ.
    counted = encoder(padded).embedding
    assert largest_difference(counted, golden, f"{name}.embedding") > 1e-2


@torch.no_grad()
def test_the_text_encoder(state: dict[str, torch.Tensor], golden: dict[str, np.ndarray]) -> None:
    table = state["text_enc.word_enc.embedding.weight"]
    words = [f"word{index}" for index in range(len(table))]
    encoder = WordVectors(words, table, max_tokens=30)
    ids, lengths = golden["text.ids"].astype(int), golden["text.lengths"].astype(int)
    texts = [
        " ".join(words[index] for index in row[:length])
        for row, length in zip(ids, lengths, strict=True)
    ]
    pooled = encoder(*encoder.tokenise(texts)).pooled
    assert largest_difference(F.normalize(pooled, dim=-1), golden, "text.embedding") < 1e-5
