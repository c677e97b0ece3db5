"""Where a training computes."""

from __future__ import annotations

import logging
import warnings

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import RecipeError
from soundseek.lab import devices
from soundseek.lab.devices import check_devices, device_of, open_fabric, reduced, world_size

pytestmark = pytest.mark.lab


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs, as far as torch says."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


@pytest.mark.usefixtures("no_cards")
@pytest.mark.parametrize(("name", "n"), [("cuda", 1), ("cuda", 2), ("cuda:0", 1)])
def test_cards_that_are_not_there_are_refused(name: str, n: int) -> None:
    with pytest.raises(RecipeError, match=rf"run.device={name} .*: 0 .*\n.*run.device: cpu"):
        check_devices(name, n, "fp32")
    with pytest.raises(RecipeError, match=rf"run.device={name}"):
        open_fabric(name, n, "fp32")


@pytest.mark.usefixtures("cards")
def test_cards_are_counted_and_chosen() -> None:
    check_devices("auto", 2, "fp16")
    check_devices("cuda:1", 1, "bf16")
    for name, n in (("auto", 3), ("cuda", 3), ("cuda:2", 1)):
        with pytest.raises(RecipeError, match="2 of that kind are here"):
            check_devices(name, n, "fp32")
    with pytest.raises(RecipeError, match=r"names one, run.devices is 2\n.*CUDA_VISIBLE_DEVICES"):
        check_devices("cuda:0", 2, "fp32")
    assert devices._chosen("cuda:1", 1) == ("cuda", [1])
    assert devices._chosen("auto", 2) == ("cuda", 2)


@pytest.mark.usefixtures("no_cards")
@pytest.mark.parametrize("name", ["cpu", "auto"])
def test_a_processor_does_not_train_in_fp16(name: str) -> None:
    with pytest.raises(RecipeError, match=r"fp16\n.*bf16 or fp32"):
        open_fabric(name, 1, "fp16")


@pytest.mark.usefixtures("no_cards")
def test_a_single_process_joins_nobody(caplog: pytest.LogCaptureFixture) -> None:
    level = logging.getLogger("lightning_fabric").level
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fabric = open_fabric("auto", 1, "bf16")
    assert (fabric.world_size, fabric.global_rank) == (1, 0)
    assert fabric.device == torch.device("cpu")
    assert fabric.is_global_zero
    assert not torch.distributed.is_initialized()
    assert not caplog.records
    assert logging.getLogger("lightning_fabric").level == level
    assert float(reduced(fabric, torch.tensor(2.5), "sum")) == 2.5


@pytest.mark.usefixtures("no_cards")
def test_what_auto_means_without_a_card() -> None:
    assert device_of("auto") == torch.device("cpu")
    assert device_of("cuda:1") == torch.device("cuda", 1)


@pytest.mark.usefixtures("cards")
def test_what_auto_means_with_a_card() -> None:
    assert device_of("auto") == torch.device("cuda")


def test_who_started_this_process_says_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert world_size() == 1
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert world_size() == 4
    assert devices._nodes() == 2
