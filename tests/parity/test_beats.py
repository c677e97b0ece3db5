"""BEATs against arrays recorded from the public code, with weights that anyone can rebuild."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from numpy.typing import NDArray
from torch import Tensor

from soundseek.lab.audio_encoders.beats import Beats
from soundseek.lab.audio_encoders.beats_attention import relative_buckets
from soundseek.lab.checkpoints import Checkpoint
from soundseek.lab.encodings import AudioEncoding
from support.golden_weights import deterministic_state_dict, fingerprint, test_waveforms

pytestmark = pytest.mark.lab

FOLDER = Path(__file__).parent / "golden"
WAVES = {name: torch.from_numpy(wave)[None] for name, wave in test_waveforms(16_000).items()}
# Largest difference over the largest magnitude that float32 can leave.
VECTOR, TOKENS = 1e-5, 5e-5


class Golden(NamedTuple):
    spec: dict[str, Any]
    arrays: dict[str, NDArray[np.float32]]
    checkpoint: Checkpoint
    encoder: Beats

    def difference(self, key: str, got: Tensor) -> float:
        described = self.spec["arrays"][key]
        assert list(got.shape) == described["shape"]
        expected = self.arrays[key].reshape(-1)
        difference = got.numpy().reshape(-1)[:: described["stride"]] - expected
        return float(np.abs(difference).max() / np.abs(expected).max())


@pytest.fixture(scope="module", params=["beats_small", "beats_small_no_predictor"])
def golden(request: pytest.FixtureRequest) -> Golden:
    spec = json.loads((FOLDER / f"{request.param}.spec.json").read_text())
    state = deterministic_state_dict(spec["spec"])
    assert fingerprint(state) == spec["weights_sha256"]
    tensors = {key: torch.from_numpy(value) for key, value in state.items()}
    checkpoint = Checkpoint(Path("beats.pt"), tensors, "model", spec["cfg"])
    with np.load(FOLDER / f"{request.param}.golden.npz") as arrays:
        return Golden(spec, dict(arrays), checkpoint, Beats.from_checkpoint(checkpoint).eval())


def check_probabilities(golden: Golden, key: str, encoding: AudioEncoding) -> None:
    if golden.spec["cfg"]["finetuned_model"]:
        assert encoding.probabilities is not None
        assert golden.difference(key, encoding.probabilities) < VECTOR
    else:
        assert encoding.logits is None


@torch.no_grad()
@pytest.mark.parametrize("name", ["short", "mid", "long"])
def test_a_clip(golden: Golden, name: str) -> None:
    features = golden.encoder.features(WAVES[name])
    encoding = golden.encoder(features)
    # Rounding of the public code's filter bank in its lowest bands.
    assert golden.difference(f"{name}.fbank", features) < 2e-4
    assert golden.difference(f"{name}.sequence", encoding.sequence) < TOKENS
    assert golden.difference(f"{name}.sequence_mean", encoding.pooled) < VECTOR
    first = encoding.sequence[:, 0]
    assert golden.difference(f"{name}.sequence_first_token", first) < TOKENS
    check_probabilities(golden, f"{name}.class_probabilities", encoding)
    assert encoding.mask.all()


@torch.no_grad()
def test_stages(golden: Golden) -> None:
    encoder = golden.encoder
    seen: dict[str, Tensor] = {}
    for name, module in {
        "after_layer_norm": encoder.layer_norm,
        "pos_conv": encoder.encoder.pos_conv,
        "layer0": encoder.encoder.layers[0],
    }.items():
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
    feature_map = encoder(encoder.features(WAVES["short"])).feature_map
    assert feature_map is not None
    assert golden.difference("short.patch_embedding", feature_map) < TOKENS
    for name, got in seen.items():
        shown = got.transpose(1, 2) if name == "pos_conv" else got
        assert golden.difference(f"short.{name}", shown) < TOKENS
    assert len(seen) == 3


@torch.no_grad()
def test_a_padded_batch(golden: Golden) -> None:
    samples = [WAVES["mid"].shape[1], WAVES["short"].shape[1]]
    batch = torch.zeros(2, samples[0])
    batch[0], batch[1, : samples[1]] = WAVES["mid"][0], WAVES["short"][0]
    encoder = golden.encoder
    lengths = encoder.frame_lengths(torch.tensor(samples), samples[0])
    encoding = encoder(encoder.features(batch), lengths)
    padding = golden.arrays["padded_batch.token_mask"].astype(bool)
    np.testing.assert_array_equal(encoding.mask.numpy(), ~padding)
    assert golden.difference("padded_batch.sequence", encoding.sequence) < TOKENS
    assert golden.difference("padded_batch.masked_mean", encoding.pooled) < VECTOR
    check_probabilities(golden, "padded_batch.class_probabilities", encoding)


def test_relative_position_buckets() -> None:
    with np.load(FOLDER / "beats_small.golden.npz") as arrays:
        expected = arrays["relative_position_buckets"]
    got = relative_buckets(torch.arange(-1300, 1301), num_buckets=320, max_distance=800)
    np.testing.assert_array_equal(got.numpy(), expected)


@torch.no_grad()
@pytest.mark.parametrize(
    "mistake",
    [
        {"deep_norm": False},
        {"max_distance": 1280},
        {"gru_rel_pos": False},
        {"relative_position_embedding": False},
    ],
)
def test_the_bounds_are_sharp(golden: Golden, mistake: dict[str, object]) -> None:
    """Each wrong option, as an absent key of the cfg would bring it."""
    config = golden.spec["cfg"] | mistake
    tensors = dict(golden.checkpoint.tensors)
    if not config["gru_rel_pos"] or not config["relative_position_embedding"]:
        tensors = {key: value for key, value in tensors.items() if "grep" not in key}
    if not config["relative_position_embedding"]:
        tensors = {key: value for key, value in tensors.items() if "relative" not in key}
    wrong = Beats.from_checkpoint(Checkpoint(Path("x.pt"), tensors, "model", config)).eval()
    pooled = wrong(wrong.features(WAVES["long"])).pooled
    assert golden.difference("long.sequence_mean", pooled) > 2 * VECTOR
