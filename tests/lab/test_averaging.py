"""The running mean of weights."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import numpy as np
import torch
from torch import nn

from soundseek.lab.averaging import WeightAverage

pytestmark = pytest.mark.lab


@pytest.fixture
def model() -> nn.Module:
    """A linear layer and a norm, whose state has floats and a counter."""
    torch.manual_seed(4)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def moved(model: nn.Module, seed: int) -> None:
    """Something like a step of training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value.add_(torch.randn(value.shape, generator=generator))
            else:
                value.add_(1)


def copied(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert list(first) == list(second)
    for name, value in first.items():
        assert value.equal(second[name]), name


@pytest.mark.parametrize("decay", [0.3, 0.999])
def test_is_the_mean_that_its_formula_says(model: nn.Module, decay: float) -> None:
    average = WeightAverage(model, decay)
    expected = {name: value.double().numpy() for name, value in average.mean.items()}
    assert set(expected) == {
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
        "1.running_mean",
        "1.running_var",
    }
    for step in range(1, 30):
        moved(model, step)
        average.update(step)
        keeps = min(decay, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            if name in expected:
                expected[name] = keeps * expected[name] + (1 - keeps) * value.double().numpy()
    for name, value in average.mean.items():
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-4, atol=1e-5)


def test_taking_in_weights_does_not_change_them(model: nn.Module) -> None:
    average = WeightAverage(model, 0.9)
    moved(model, 1)
    before = copied(model)
    average.update(1)
    assert_equal(copied(model), before)


@pytest.mark.parametrize("raises", [False, True])
def test_the_model_gets_its_own_weights_back(model: nn.Module, raises: bool) -> None:
    average = WeightAverage(model, 0.9)
    moved(model, 1)
    average.update(1)
    before, mean = copied(model), {name: value.clone() for name, value in average.mean.items()}
    inside = {}
    try:
        with average.applied():
            inside = copied(model)
            if raises:
                raise KeyError("in the block")
    except KeyError:
        assert raises
    for name, value in inside.items():
        # The counter of the norm stays as the model has it.
        assert value.equal(mean.get(name, before[name])), name
    assert not inside["0.weight"].equal(before["0.weight"])
    assert_equal(copied(model), before)
    assert_equal(average.mean, mean)


def test_goes_on_from_what_a_checkpoint_kept(model: nn.Module) -> None:
    average = WeightAverage(model, 0.9)
    moved(model, 1)
    average.update(1)
    kept = {name: value.clone() for name, value in average.state().items()}
    weights = copied(model)
    moved(model, 2)
    average.update(2)
    wanted = {name: value.clone() for name, value in average.mean.items()}

    other = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    resumed = WeightAverage(other, 0.9)
    other.load_state_dict(weights)
    resumed.restore(kept)
    moved(other, 2)
    resumed.update(2)
    assert_equal(resumed.mean, wanted)
    # What was handed in stays what it was.
    assert not kept["0.weight"].equal(wanted["0.weight"])
