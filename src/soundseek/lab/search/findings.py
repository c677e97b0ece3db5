"""What a study found, as plain figures: its trials, the best of them, what mattered."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from soundseek.lab.runs.tables import write_csv
from soundseek.lab.search.sampler import REASON, counts

State = Literal["complete", "failed", "under way"]
# Fewer trials say nothing about which setting matters.
_LEAST: Final = 8
_STATES: Final[Mapping[TrialState, State]] = {
    TrialState.COMPLETE: "complete",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class Tried:
    """A trial, called by the folder of its run; `place` counts from 0 among those of the study."""

    place: int
    folder: str
    state: State
    values: Mapping[str, Any]
    value: float | None = None
    early: bool = False
    validations: int = 0
    seconds: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Findings:
    """All trials in order, and each parameter's share of what mattered (empty: too few trials)."""

    trials: Sequence[Tried]
    importances: Mapping[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> list[Tried]:
        """Those with a value, the best first; of equals, the earlier."""
        done = [trial for trial in self.trials if trial.value is not None]
        return sorted(done, key=lambda trial: (-float(trial.value or 0.0), trial.place))

    @property
    def failed(self) -> list[Tried]:
        """Those with a reason."""
        return [trial for trial in self.trials if trial.state == "failed"]

    @property
    def best(self) -> Tried | None:
        """The best, None before the first that is complete."""
        return self.complete[0] if self.complete else None


def findings(study: optuna.Study) -> Findings:
    """Read a study. Interrupted trials that were made again are left out."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if counts(trial)]
    # A trial that was made again takes the place of the one that was interrupted.
    trials.sort(key=lambda trial: (_folder(trial), trial.number))
    return Findings(
        [_tried(place, trial) for place, trial in enumerate(trials)], _importances(study)
    )


def write_trials(found: Findings, parameters: Sequence[str], path: Path) -> None:
    """A CSV: one line a trial."""
    own = ("trial", "state", "value", "ended_early", "validations", "seconds", "reason")
    rows = [
        {
            "trial": trial.folder,
            "state": trial.state,
            "value": trial.value,
            "ended_early": int(trial.early),
            "validations": trial.validations,
            "seconds": trial.seconds,
            "reason": trial.reason,
            **trial.values,
        }
        for trial in found.trials
    ]
    write_csv(path, rows, (*own, *parameters))


def _tried(place: int, trial: FrozenTrial) -> Tried:
    attributes = trial.user_attrs
    return Tried(
        place,
        _folder(trial),
        _STATES.get(trial.state, "under way"),
        dict(trial.params or trial.system_attrs.get("fixed_params", {})),
        trial.value if trial.state == TrialState.COMPLETE else None,
        attributes.get("ended") == "stale",
        len(trial.intermediate_values),
        attributes.get("seconds"),
        attributes.get(REASON),
    )


def _folder(trial: FrozenTrial) -> str:
    # One that is just being taken has none yet.
    return str(trial.user_attrs.get("folder", f"({trial.number})"))


def _importances(study: optuna.Study) -> dict[str, float]:
    """PED-ANOVA (Watanabe et al. 2023): how far the best tenth differs from all, by parameter."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < _LEAST or len({trial.value for trial in done}) == 1:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return {name: float(share) for name, share in shares.items()}
