"""Triplet losses and NT-Xent against values and gradients recorded from public upstream code.

`losses.golden.npz` (described in `losses.spec.json`): XinhaoMei/audio-text_retrieval 13c21d9a
`tools/loss.py` on cosines, and xieh97/dcase2022-audio-retrieval f6fad505 `utils/criterion_utils.py`
with the impostors that it drew, for 8 pairs of raw vectors with every clip once and with repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor
from torch.nn import functional as F

from soundseek.lab.objectives.nt_xent import grouped_nt_xent
from soundseek.lab.objectives.triplets import (
    Impostors,
    hardest_triplet,
    impostor_triplet,
    summed_triplet,
    weighted_triplet,
)

pytestmark = pytest.mark.lab

SURREY = {
    "triplet_hardest": hardest_triplet,
    "maxmargin_sum": summed_triplet,
    "weighted_triplet": weighted_triplet,
}


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "golden" / "losses.golden.npz") as arrays:
        return dict(arrays)


def check(
    golden: dict[str, np.ndarray], name: str, loss: Callable[[Tensor, Tensor], Tensor]
) -> None:
    audio, text = (torch.tensor(golden[side], requires_grad=True) for side in ("audio", "text"))
    value = loss(audio, text)
    value.backward()
    np.testing.assert_allclose(value.item(), golden[f"{name}.value"], rtol=1e-6)
    for ours, side in ((audio.grad, "audio"), (text.grad, "text")):
        assert ours is not None
        assert np.abs(golden[f"{name}.grad_{side}"]).max() > 1e-3
        np.testing.assert_allclose(ours.numpy(), golden[f"{name}.grad_{side}"], rtol=0, atol=1e-6)


def cosines(audio: Tensor, text: Tensor) -> Tensor:
    return F.normalize(audio, dim=-1) @ F.normalize(text, dim=-1).T


@pytest.mark.parametrize("labels", ["unique", "repeated"])
@pytest.mark.parametrize("margin", [0.2, 1.0])
@pytest.mark.parametrize("name", sorted(SURREY))
def test_surrey_triplets(
    golden: dict[str, np.ndarray], name: str, margin: float, labels: str
) -> None:
    groups = torch.tensor(golden[f"labels.{labels}"]).long()
    check(
        golden,
        f"{name}_m{margin}.{labels}",
        lambda audio, text: SURREY[name](cosines(audio, text), groups, margin),
    )


@pytest.mark.parametrize("labels", ["unique", "repeated"])
@pytest.mark.parametrize("temperature", [0.07, 0.2])
def test_surrey_nt_xent_leaves_duplicates_in(
    golden: dict[str, np.ndarray], temperature: float, labels: str
) -> None:
    groups = torch.tensor(golden[f"labels.{labels}"]).long()
    check(
        golden,
        f"ntxent_t{temperature}.{labels}",
        lambda audio, text: grouped_nt_xent(
            cosines(audio, text), groups, 1.0 / temperature, duplicates="negatives"
        ),
    )


@pytest.mark.parametrize("labels", ["unique", "repeated"])
@pytest.mark.parametrize("margin", [0.2, 1.0])
@pytest.mark.parametrize("form", ["raw", "l2"])
def test_baseline_triplet(
    golden: dict[str, np.ndarray], form: str, margin: float, labels: str
) -> None:
    name = f"baseline_triplet_m{margin}.{labels}.{form}"
    impostors = Impostors(
        torch.tensor(golden[f"{name}.impostor_audio"]),
        torch.tensor(golden[f"{name}.impostor_text"]),
    )

    def loss(audio: Tensor, text: Tensor) -> Tensor:
        if form == "l2":
            audio, text = F.normalize(audio, dim=-1), F.normalize(text, dim=-1)
        return impostor_triplet(audio, text, impostors, margin)

    check(golden, name, loss)
