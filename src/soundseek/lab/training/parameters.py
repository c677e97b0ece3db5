"""Which parts of a model are trained, from when on, and how fast."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable

import torch
from torch import nn

from soundseek.errors import DataError, RecipeError
from soundseek.lab.training.settings import Optimiser


def make_optimiser(settings: Optimiser, parts: nn.Module) -> torch.optim.Optimizer:
    """Over all of a learner that the stage trains sooner or later; each group knows its `peak`
    rate.

    Raises `RecipeError` for names that are no part of the model, `DataError` where nothing is to be
    trained.
    """
    known = part_names(parts)
    for key, named in (("rates", settings.rates), ("frozen_epochs", settings.frozen_epochs)):
        for part in named:
            _check_part(part, known, f"optimiser.{key}")
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in parts.named_parameters():
        if not parameter.requires_grad or _frozen_for(name, settings) == math.inf:
            continue
        # Weights of linear and convolutional layers decay; norms and biases do not.
        peak = settings.learning_rate * _factor(name, settings)
        groups.setdefault((peak, parameter.ndim > 1), []).append(parameter)
    if not groups:
        raise DataError("there is nothing to train", remedy="free an encoder or add a projection")
    kind = torch.optim.Adam if settings.kind == "adam" else torch.optim.AdamW
    return kind(
        [
            {
                "params": chosen,
                "peak": peak,
                "weight_decay": settings.weight_decay if decays else 0.0,
            }
            for (peak, decays), chosen in groups.items()
        ],
        lr=settings.learning_rate,
    )


def part_names(parts: nn.Module) -> set[str]:
    """Every beginning, up to a dot, of the names of the parameters."""
    names = [name.split(".") for name, _ in parts.named_parameters()]
    return {".".join(name[:length]) for name in names for length in range(1, len(name) + 1)}


class Thaw:
    """Parts that `optimiser.frozen_epochs` leaves as they are at first.

    Parameters that a side keeps frozen itself stay so.
    """

    def __init__(self, parts: nn.Module, settings: Optimiser) -> None:
        self.parts, self.settings = parts, settings
        self._own = {
            name: parameter
            for name, parameter in parts.named_parameters()
            if parameter.requires_grad and _frozen_for(name, settings) > 0
        }
        self._frozen: list[nn.Module] = []

    def at(self, epoch: float) -> bool:
        """Freeze and free as it is to be `epoch` epochs into the stage; whether that changed
        anything."""
        changed = False
        for name, parameter in self._own.items():
            trained = _frozen_for(name, self.settings) <= epoch
            changed |= parameter.requires_grad != trained
            parameter.requires_grad_(trained)
        self._frozen = [
            module
            for name, module in self.parts.named_modules()
            if name and _frozen_for(name, self.settings) > epoch
        ]
        return changed

    def rest(self) -> None:
        """Put what is frozen in evaluation mode: statistics of norms do not move either. After
        `train()`, which wakes everything."""
        for module in self._frozen:
            module.eval()


def _factor(name: str, settings: Optimiser) -> float:
    part = _longest(name, settings.rates)
    if part is not None:
        return settings.rates[part]
    if name.startswith("audio.encoder."):
        return settings.audio_rate
    return settings.text_rate if name.startswith("text.encoder.") else 1.0


def _frozen_for(name: str, settings: Optimiser) -> float:
    """Epochs for which a part is frozen; infinite: throughout."""
    part = _longest(name, settings.frozen_epochs)
    if part is None:
        return 0.0
    epochs = settings.frozen_epochs[part]
    return math.inf if epochs is None else epochs


def _longest(name: str, parts: Iterable[str]) -> str | None:
    """The longest of the beginnings that fit a name."""
    return max((part for part in parts if _within(name, part)), key=len, default=None)


def _within(name: str, part: str) -> bool:
    return name == part or name.startswith(part + ".")


def _check_part(part: str, known: set[str], where: str) -> None:
    if part in known:
        return
    near = difflib.get_close_matches(part, known, n=1)
    first = sorted(name for name in known if name.count(".") <= 1)
    raise RecipeError(
        f"{where}: the model has no part {part!r}",
        remedy=(f"did you mean {near[0]!r}? " if near else "")
        + f"parts begin with {', '.join(first)}",
    )
