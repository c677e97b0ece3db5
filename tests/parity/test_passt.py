"""PaSST against arrays recorded from the public code, with weights that anyone can rebuild."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from soundseek.lab.audio_encoders.passt import Passt
from soundseek.lab.audio_encoders.passt_chance import Patchout
from soundseek.lab.checkpoints import Checkpoint
from support.golden_weights import deterministic_state_dict, fingerprint, test_waveforms

pytestmark = pytest.mark.lab

FOLDER = Path(__file__).parent / "golden"
SPEC = json.loads((FOLDER / "passt_small.spec.json").read_text())
WAVES = {name: torch.from_numpy(wave)[None] for name, wave in test_waveforms(32_000).items()}
# Largest difference over the largest magnitude that float32 can leave.
VECTOR, TOKENS = 3e-6, 5e-5


@pytest.fixture(scope="module")
def arrays() -> dict[str, NDArray[np.float32]]:
    with np.load(FOLDER / "passt_small.golden.npz") as stored:
        return dict(stored)


@pytest.fixture
def encoder() -> Passt:
    state = deterministic_state_dict(SPEC["spec"])
    assert fingerprint(state) == SPEC["weights_sha256"]
    tensors = {key: torch.from_numpy(value) for key, value in state.items()}
    return Passt.from_checkpoint(Checkpoint(Path("passt.pt"), tensors), heads=4).eval()


def difference(arrays: dict[str, NDArray[np.float32]], key: str, got: Tensor) -> float:
    described = SPEC["arrays"][key]
    assert list(got.shape) == described["shape"]
    expected = arrays[key].reshape(-1)
    apart = np.abs(got.numpy().reshape(-1)[:: described["stride"]] - expected).max()
    return float(apart / np.abs(expected).max())


@torch.no_grad()
@pytest.mark.parametrize("name", ["short", "mid", "long"])
def test_a_clip(arrays: dict[str, NDArray[np.float32]], encoder: Passt, name: str) -> None:
    features = encoder.features(WAVES[name])
    # Rounding of the public code's mel matrix.
    assert difference(arrays, f"{name}.mel", features.transpose(1, 2)) < 1e-4
    tokens, encoding = encoder.tokens(features), encoder(features)
    assert difference(arrays, f"{name}.sequence", tokens) < TOKENS
    assert difference(arrays, f"{name}.cls_and_dist", tokens[:, :2]) < VECTOR
    assert difference(arrays, f"{name}.embedding", encoding.pooled) < VECTOR
    assert difference(arrays, f"{name}.logits", encoding.logits) < VECTOR
    assert torch.equal(encoding.sequence, tokens[:, 2:])


@torch.no_grad()
def test_stages(arrays: dict[str, NDArray[np.float32]], encoder: Passt) -> None:
    seen: dict[str, Tensor] = {}
    encoder.patch_embed["proj"].register_forward_hook(
        lambda _m, _i, out: seen.update(patch_embed=out)
    )
    encoder.blocks[0].register_forward_hook(
        lambda _m, given, out: seen.update(tokens_in=given[0], block0=out)
    )
    encoder(encoder.features(WAVES["short"]))
    for name in ("patch_embed", "tokens_in", "block0"):
        assert difference(arrays, f"short.{name}", seen[name]) < 1e-5


@torch.no_grad()
def test_patchout(arrays: dict[str, NDArray[np.float32]], encoder: Passt) -> None:
    kept = (arrays[f"mid.patchout.kept_{axis}"] for axis in ("time", "freq", "unstructured"))
    patchout = Patchout(*(torch.from_numpy(indices.astype(np.int64)) for indices in kept))
    seen: dict[str, Tensor] = {}
    encoder.blocks[0].register_forward_hook(lambda _m, given, _o: seen.update(tokens_in=given[0]))
    encoding = encoder(encoder.features(WAVES["mid"]), patchout=patchout)
    assert difference(arrays, "mid.patchout.tokens_in", seen["tokens_in"]) < 1e-5
    assert difference(arrays, "mid.patchout.embedding", encoding.pooled) < VECTOR
    assert difference(arrays, "mid.patchout.logits", encoding.logits) < VECTOR


def _one_epsilon_for_all(encoder: Passt) -> None:
    for module in encoder.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-5


def _later_columns(encoder: Passt) -> None:
    encoder.time_new_pos_embed.data = encoder.time_new_pos_embed.data.roll(-1, 3)


@torch.no_grad()
@pytest.mark.parametrize("mistake", [_one_epsilon_for_all, _later_columns])
def test_the_bounds_are_sharp(
    arrays: dict[str, NDArray[np.float32]], encoder: Passt, mistake: Callable[[Passt], None]
) -> None:
    mistake(encoder)
    pooled = encoder(encoder.features(WAVES["short"])).pooled
    assert difference(arrays, "short.embedding", pooled) > VECTOR
