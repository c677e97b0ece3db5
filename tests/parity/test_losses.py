"""NT-Xent against values and gradients recorded from public upstream code (golden/README.md)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch.nn import functional as F

from soundseek.lab.objectives.contrastive import nt_xent, shared_groups

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "golden" / "losses_ntxent.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("temperature", [0.07, 0.2])
def test_value_and_gradients(golden: dict[str, np.ndarray], temperature: float) -> None:
    """XinhaoMei/audio-text_retrieval 13c21d9a, tools/loss.py: NTXent, every clip once."""
    audio, text = (torch.tensor(golden[name], requires_grad=True) for name in ("audio", "text"))
    loss = nt_xent(F.normalize(audio, dim=-1), F.normalize(text, dim=-1), 1.0 / temperature)
    loss.backward()
    name = f"ntxent_t{temperature}.unique"
    np.testing.assert_allclose(loss.item(), golden[f"{name}.value"], rtol=1e-6)
    for ours, theirs in ((audio.grad, "grad_audio"), (text.grad, "grad_text")):
        assert ours is not None
        np.testing.assert_allclose(ours.numpy(), golden[f"{name}.{theirs}"], rtol=0, atol=1e-6)


def test_the_mask_does_something_here(golden: dict[str, np.ndarray]) -> None:
    """Upstream masks after the softmax: its value does not change when clips repeat. Ours does."""
    audio, text = (F.normalize(torch.tensor(golden[name]), dim=-1) for name in ("audio", "text"))
    theirs = golden["ntxent_t0.07.repeated.value"]
    assert theirs == golden["ntxent_t0.07.unique.value"]
    labels = torch.tensor(golden["labels.repeated"]).long()[:, None]
    repeated, _ = shared_groups(labels)
    ours = nt_xent(audio, text, 1.0 / 0.07, ignored=repeated)
    assert ours.item() < theirs - 1e-3
