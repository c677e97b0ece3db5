from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from soundseek.lab.encodings import masked_mean

pytestmark = pytest.mark.lab


def test_the_mean_leaves_out_what_is_masked() -> None:
    sequence = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [99.0, 99.0]], [[5.0, 6.0]] * 3])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert masked_mean(sequence, mask).tolist() == [[2.0, 3.0], [5.0, 6.0]]


def test_the_mean_of_nothing_is_zero_not_nan() -> None:
    nothing = torch.zeros(1, 3, dtype=torch.bool)
    assert masked_mean(torch.ones(1, 3, 2), nothing).tolist() == [[0.0, 0.0]]
