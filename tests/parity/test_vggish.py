"""VGGish against arrays recorded from the public PyTorch conversion, with stand-in weights rebuilt
from the keys' names (golden/README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from support.golden_weights import deterministic_state_dict, fingerprint, test_waveforms

pytest.importorskip("torch")

import torch

from soundseek.lab.audio_encoders.vggish import Vggish
from soundseek.lab.checkpoints import Checkpoint

pytestmark = pytest.mark.lab

GOLDEN = Path(__file__).parent / "golden"
SPEC = json.loads((GOLDEN / "vggish.spec.json").read_text())
WAVES = test_waveforms(16_000)


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "vggish.golden.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def encoder() -> Vggish:
    """With the PCA's tables in the state dict, as a network saved with its postprocessor has."""
    arrays = deterministic_state_dict(SPEC["spec"])
    assert fingerprint(arrays) == SPEC["weights_sha256"]
    tensors = {key: torch.from_numpy(value) for key, value in arrays.items()}
    checkpoint = Checkpoint(Path("vggish.pth"), tensors)
    return Vggish.from_checkpoint(checkpoint, pca=True).eval()


def check(ours: torch.Tensor, golden: dict[str, np.ndarray], key: str, bound: float) -> None:
    described = SPEC["arrays"][key]
    assert list(ours.shape) == described["shape"]
    got = ours.numpy().reshape(-1)[:: described["stride"]]
    theirs = golden[key].reshape(-1)
    assert np.abs(got - theirs).max() <= bound * np.abs(theirs).max(), key


@torch.no_grad()
@pytest.mark.parametrize("name", ["short", "mid", "long"])
def test_every_array(encoder: Vggish, golden: dict[str, np.ndarray], name: str) -> None:
    before: list[torch.Tensor] = []
    hook = encoder.embeddings[4].register_forward_hook(lambda _, __, out: before.append(out))
    features = encoder.features(torch.from_numpy(WAVES[name])[None])
    assert features.shape[1] == encoder.frames(len(WAVES[name]))
    encoding = encoder(features)
    hook.remove()
    assert encoding.feature_map is not None
    assert encoding.embedding is not None
    check(encoder.examples(features)[0].unsqueeze(1), golden, f"{name}.examples", 1e-5)
    check(encoding.feature_map[0], golden, f"{name}.feature_map", 1e-5)
    check(before[0], golden, f"{name}.embedding_before_last_relu", 1e-5)
    check(encoding.sequence[0], golden, f"{name}.embedding", 1e-5)
    check(encoding.embedding[0], golden, f"{name}.postprocessed", 0.0)
    assert sum(key.startswith(f"{name}.") for key in SPEC["arrays"]) == 5
