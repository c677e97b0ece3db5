"""The whole objective of a training: a weighted sum of terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from soundseek.errors import DataError, RecipeError
from soundseek.lab.objectives.options import number
from soundseek.lab.objectives.pairs import PairBatch
from soundseek.lab.objectives.table import ModelFacts, build_term


class Objective(nn.Module):
    """Σ weight · term over the terms of a recipe.

    A term is kept under its name; a second of the same name under `name_2`, and so on. A weight of
    0 keeps a term's value in the log without training on it.
    """

    def __init__(
        self, terms: Sequence[tuple[str, float, Mapping[str, Any]]], *, model_facts: ModelFacts
    ) -> None:
        """`terms`: (name in the table, weight, options) each.

        Raises `RecipeError` with every term's problem, or when no weight is above 0.
        """
        super().__init__()
        self.terms = nn.ModuleDict()
        self.weights: dict[str, float] = {}
        problems: list[str] = []
        seen: Counter[str] = Counter()
        for name, weight, options in terms:
            seen[name] += 1
            key = name if seen[name] == 1 else f"{name}_{seen[name]}"
            try:
                self.terms[key] = build_term(name, options, model_facts=model_facts)
                self.weights[key] = number(name, "weight", weight, least=0.0)
            except RecipeError as error:
                problems.append(str(error))
        if problems:
            raise RecipeError("\n".join(problems))
        if not any(self.weights.values()):
            raise RecipeError(
                f"the objective has {len(self.weights)} terms and none with a weight above 0",
                remedy="name at least one term to train on",
            )

    def forward(self, batch: PairBatch) -> dict[str, Tensor]:
        """The unweighted terms by key. Raises `DataError` naming every one that is not finite."""
        values: dict[str, Tensor] = {key: term(batch) for key, term in self.terms.items()}
        finite = torch.stack([value.detach() for value in values.values()]).isfinite().tolist()
        lost = [key for key, good in zip(values, finite, strict=True) if not good]
        if lost:
            raise DataError(
                "not a finite loss: " + ", ".join(f"{key} is {values[key].item()}" for key in lost),
                remedy="look at the batch's clips and captions, or lower the learning rate",
            )
        return values

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Σ weight · term: what to take the gradient of."""
        return torch.stack([self.weights[key] * value for key, value in terms.items()]).sum()
