from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.lab.words.order import BatchOrder

pytestmark = pytest.mark.lab


def test_every_text_comes_once_before_any_again() -> None:
    lengths = np.random.default_rng(1).integers(1, 30, size=160 * 4)
    order = BatchOrder(list(lengths), 8, seed=5)
    for epoch in range(2):
        steps = range(80 * epoch, 80 * (epoch + 1))
        assert sorted(np.concatenate([order.at(step) for step in steps])) == list(range(640))


def test_a_batch_is_of_about_one_length() -> None:
    lengths = np.random.default_rng(1).integers(1, 30, size=5000)
    order = BatchOrder(list(lengths), 8, seed=5)
    spreads = [np.ptp(lengths[order.at(step)]) for step in range(300)]
    assert np.mean(spreads) < 4


def test_a_step_is_the_same_whatever_came_before() -> None:
    lengths = list(np.random.default_rng(1).integers(1, 30, size=100))
    order, other = BatchOrder(lengths, 8, seed=5), BatchOrder(lengths, 8, seed=5)
    for step in range(40):
        order.at(step)
    # Fewer texts than are sorted together: some come twice among them.
    for step in (39, 3, 17):
        assert np.array_equal(order.at(step), other.at(step))
    different = BatchOrder(lengths, 8, seed=6)
    assert any(not np.array_equal(order.at(s), different.at(s)) for s in range(4))
