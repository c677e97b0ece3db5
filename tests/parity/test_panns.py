"""PANNs' and Surrey's encoders against arrays recorded from the public upstream code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.lab.audio_encoders import load
from soundseek.lab.audio_encoders.surrey import text_projection
from soundseek.lab.checkpoints import read_checkpoint
from support.golden_weights import deterministic_state_dict, fingerprint, test_waveforms

pytestmark = pytest.mark.lab

GOLDEN = Path(__file__).parent / "golden"
RATE = 32_000
# Of the largest magnitude. Correct computations in float32 differ by a tenth of it; zero padding in
# the place of reflection, or another epsilon, by seven times it and more.
BOUND = 1e-5
# Upstream transforms by convolution, which alone differs from an FFT by so much.
BOUND_DB = 0.0011

WAVES = test_waveforms(RATE)


class Golden:
    """Recorded arrays, and an encoder loaded from the checkpoint they were recorded with."""

    def __init__(self, name: str, row: str, folder: Path) -> None:
        self.about: dict[str, Any] = json.loads((GOLDEN / f"{name}.spec.json").read_text())
        with np.load(GOLDEN / f"{name}.golden.npz") as arrays:
            self.arrays = dict(arrays)
        state = deterministic_state_dict(self.about["spec"])
        assert fingerprint(state) == self.about["weights_sha256"]
        self.file = folder / f"{name}.pth"
        model = {key: torch.tensor(value) for key, value in state.items()}
        # A real checkpoint has the front-end's tables too, and nothing reads them.
        for key, entry in self.about["spec"].items():
            if entry["kind"] == "constant":
                model[key] = torch.zeros(()).expand(entry["shape"])
        torch.save({"iteration": 1, "model": model, "sampler": {}}, self.file)
        self.encoder: Any = load(row, checkpoint=self.file)

    def compare(self, key: str, got: torch.Tensor, bound: float | None = None) -> None:
        about, expected = self.about["arrays"][key], self.arrays[key]
        assert list(got.shape) == about["shape"]
        values = got.numpy().reshape(-1)[:: about["stride"]]
        bound = BOUND * np.abs(expected).max() if bound is None else bound
        np.testing.assert_allclose(values, expected.reshape(-1), rtol=0, atol=bound)


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Golden]:
    made: dict[str, Golden] = {}

    def get(name: str, row: str) -> Golden:
        if name not in made:
            made[name] = Golden(name, row, tmp_path_factory.mktemp(name))
        return made[name]

    return get


@torch.no_grad()
@pytest.mark.parametrize("wave", ["short", "mid", "long"])
@pytest.mark.parametrize(
    "name", ["panns_cnn10", pytest.param("panns_cnn14", marks=pytest.mark.slow)]
)
def test_panns(golden: Callable[[str, str], Golden], name: str, wave: str) -> None:
    known = golden(name, name)
    features = known.encoder.features(torch.tensor(WAVES[wave])[None])
    known.compare(f"{wave}.logmel", features[:, None], BOUND_DB)
    if wave == "short":
        known.compare("short.bn0", known.encoder.normalise(features))
    encoding = known.encoder(features)
    known.compare(f"{wave}.feature_map", encoding.feature_map)
    known.compare(f"{wave}.pooled", encoding.pooled)
    known.compare(f"{wave}.embedding", encoding.embedding)
    known.compare(f"{wave}.logits", encoding.logits)
    known.compare(f"{wave}.clipwise_output", encoding.probabilities)


@torch.no_grad()
def test_without_lengths_padding_counts_as_it_does_upstream(
    golden: Callable[[str, str], Golden],
) -> None:
    known = golden("panns_cnn10", "panns_cnn10")
    padded = np.zeros((2, len(WAVES["mid"])), np.float32)
    for row, name in zip(padded, ("mid", "short"), strict=True):
        row[: len(WAVES[name])] = WAVES[name]
    features = known.encoder.features(torch.tensor(padded))
    key = "batch_mid_and_zero_padded_short.embedding"
    known.compare(key, known.encoder(features).embedding)
    lengths = torch.tensor([known.encoder.frames(len(WAVES[name])) for name in ("mid", "short")])
    masked = known.encoder(features, lengths).embedding
    np.testing.assert_allclose(masked[0], known.arrays[key][0], rtol=0, atol=BOUND * 30)
    assert np.abs(masked[1].numpy() - known.arrays[key][1]).max() > 0.1


@torch.no_grad()
@pytest.mark.parametrize("wave", ["short", "mid", "long"])
def test_surrey(golden: Callable[[str, str], Golden], wave: str) -> None:
    known = golden("surrey_ase_cnn10", "surrey_cnn10")
    encoding = known.encoder(known.encoder.features(torch.tensor(WAVES[wave])))
    known.compare(f"{wave}.feature_map", encoding.feature_map)
    known.compare(f"{wave}.pooled", encoding.pooled)
    known.compare(f"{wave}.projected", encoding.embedding)
    length = encoding.embedding.norm(dim=1, keepdim=True)
    known.compare(f"{wave}.embedding_l2", encoding.embedding / length)


@torch.no_grad()
def test_surreys_text_side(golden: Callable[[str, str], Golden]) -> None:
    known = golden("surrey_ase_cnn10", "surrey_cnn10")
    project = text_projection(read_checkpoint(known.file))
    projected = project(torch.tensor(known.arrays["text.cls_input"]))
    known.compare("text.embedding_l2", projected / projected.norm(dim=1, keepdim=True))


@torch.no_grad()
@pytest.mark.parametrize(
    ("mistake", "least"),
    [({"eps": 1e-6}, 3e-5), ({"eps": 1e-3}, 3e-3), ({"padding": "zeros"}, 1e-4)],
)
def test_the_bound_is_sharp(
    golden: Callable[[str, str], Golden], mistake: dict[str, Any], least: float, tmp_path: Path
) -> None:
    from dataclasses import replace

    from soundseek.lab.frontends import FrontEnd

    known = golden("panns_cnn10", "panns_cnn10")
    encoder: Any = load("panns_cnn10", checkpoint=known.file)
    if "eps" in mistake:
        for module in encoder.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eps = mistake["eps"]
    else:
        encoder.frontend = FrontEnd(replace(encoder.frontend.spec, **mistake))
    got = encoder(encoder.features(torch.tensor(WAVES["short"]))).embedding.numpy()
    expected = known.arrays["short.embedding"]
    assert np.abs(got - expected).max() > least * np.abs(expected).max()
