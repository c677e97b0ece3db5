"""What the next trial tries: the Tree-structured Parzen Estimator, drawn from (seed, place)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

REASON = "reason"
"""Attribute of a failed trial: why. A failed trial without it is one that was interrupted."""


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of the study: what was interrupted is tried again as another."""
    return trial.state != TrialState.FAIL or REASON in trial.user_attrs


class PlacedTpe(BaseSampler):
    """TPE (Bergstra et al. 2011, Optuna's) whose chance comes from the seed and from how many
    trials went before: a study that goes on after an interruption tries what it would have tried,
    and machines that share one do not all draw the same.

    The first `random_starts` finished trials are random.
    """

    def __init__(self, seed: int, random_starts: int) -> None:
        self._seed, self._random_starts = seed, random_starts
        self._made: tuple[int, TPESampler] | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """As TPE does."""
        return self._at(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As TPE does."""
        return self._at(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """As TPE does."""
        sampler = self._at(study, trial)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Nothing is left to do."""

    def _at(self, study: Study, trial: FrozenTrial) -> TPESampler:
        if self._made is None or self._made[0] != trial.number:
            before = study.get_trials(deepcopy=False)
            place = sum(counts(one) for one in before if one.number < trial.number)
            chance = np.random.SeedSequence([self._seed, place]).generate_state(1)[0]
            sampler = TPESampler(n_startup_trials=self._random_starts, seed=int(chance))
            self._made = trial.number, sampler
        return self._made[1]
