"""Where a training computes: device, number of processes, precision (Lightning Fabric)."""

from __future__ import annotations

import os
from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor

from soundseek.errors import RecipeError
from soundseek.lab.quiet import hushed

Precision = Literal["fp32", "bf16", "fp16"]
_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def check_devices(device: str, devices: int, precision: Precision) -> None:
    """Raises `RecipeError` for devices that are not there, and for a precision they do not have."""
    kind, _ = _chosen(device, devices)
    if precision == "fp16" and kind == "cpu":
        raise RecipeError(
            "a processor does not train in fp16", remedy="set run.precision: bf16 or fp32"
        )


def open_fabric(device: str, devices: int, precision: Precision) -> Fabric:
    """The Fabric of this process. In one of several (`processes.companions`, or torchrun) it has
    joined the others when it is returned.

    Raises `RecipeError` as `check_devices` does.
    """
    check_devices(device, devices, precision)
    kind, chosen = _chosen(device, devices)
    several = devices > 1 or world_size() > 1
    # Parts of a model may have no share in a stage's objective.
    strategy = DDPStrategy(find_unused_parameters=True) if several else "auto"
    with hushed("lightning_fabric"):  # hints on how a cluster's job files may be written
        fabric = Fabric(
            accelerator=kind,
            devices=chosen,
            num_nodes=_nodes(),
            strategy=strategy,
            precision=_PRECISIONS[precision],  # type: ignore[arg-type]
        )
        fabric.launch()
    return fabric


def reduced(fabric: Fabric, value: Tensor, how: Literal["sum", "max"]) -> Tensor:
    """The sum or the largest over all processes."""
    result = fabric.all_reduce(value.to(fabric.device), reduce_op=how)
    assert isinstance(result, Tensor)
    return result


def device_of(name: str) -> torch.device:
    """The device of a recipe's `run.device` in a single process."""
    if name != "auto":
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def world_size() -> int:
    """How many processes train together, as whoever started them says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _nodes() -> int:
    return max(1, world_size() // int(os.environ.get("LOCAL_WORLD_SIZE", str(world_size()))))


def _chosen(device: str, devices: int) -> tuple[str, int | list[int]]:
    kind, _, number = str(device_of(device)).partition(":")
    there = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    most = there.get(kind, devices)
    if most < devices or (number and int(number) >= most):
        raise RecipeError(
            f"run.device={device} with run.devices={devices}: {most} of that kind are here",
            remedy="set run.device: cpu, or run.devices to what is here",
        )
    if not number:
        return kind, devices
    if devices > 1:
        raise RecipeError(
            f"run.device={device} names one, run.devices is {devices}",
            remedy="choose among several with CUDA_VISIBLE_DEVICES",
        )
    return kind, [int(number)]
