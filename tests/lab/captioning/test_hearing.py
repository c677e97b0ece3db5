from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError
from soundseek.lab.captioning.hearing import in_a_row, with_events

pytestmark = pytest.mark.lab


def test_gaps_between_windows_are_closed() -> None:
    sequence = torch.arange(12.0).reshape(2, 6, 1)
    mask = torch.tensor([[1, 1, 0, 1, 0, 0], [1, 0, 1, 1, 1, 0]], dtype=torch.bool)
    moved, closed = in_a_row(sequence, mask)
    assert moved.squeeze(2).tolist() == [[0, 1, 3, 0], [6, 8, 9, 10]]
    assert closed.tolist() == [[True, True, True, False], [True] * 4]


def test_events_stand_beside_the_sound() -> None:
    sequence = torch.ones(1, 3, 2)
    mask = torch.tensor([[True, True, False]])
    heard = torch.tensor([[[0.1, 0.7, 0.2], [0.9, 0.9, 0.0], [0.3, 0.2, 0.1]]])
    joined = with_events(sequence, mask, heard, "probabilities")
    assert joined.shape == (1, 3, 5)
    assert torch.equal(joined[0, :2, 2:], heard[0, :2])
    assert torch.equal(joined[0, 2], torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0]))
    classes = with_events(sequence, mask, heard, "classes")
    assert classes[0, :, 2:].tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_other_steps_are_refused() -> None:
    with pytest.raises(DataError, match="bring the probabilities"):
        with_events(torch.ones(1, 3, 2), torch.ones(1, 3).bool(), torch.ones(1, 4, 2), "classes")
