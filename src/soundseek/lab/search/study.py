"""A study: the trials of one search, whoever makes them, and what becomes of interrupted ones."""

from __future__ import annotations

import hashlib
import json
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from soundseek.errors import DataError, RecipeError
from soundseek.lab.data.locking import folder_lock
from soundseek.lab.runs.course import Point
from soundseek.lab.runs.order import Carried
from soundseek.lab.search.sampler import REASON, PlacedTpe, counts
from soundseek.lab.search.space import Choice, FloatRange, Parameter, Space
from soundseek.lab.search.storage import open_storage

SILENCE_S: Final = 600.0
"""After so long without a sign of life, a trial on another machine is taken for interrupted."""
_BEAT_S: Final = 30.0
_IDENTITY = "identity"
_FOLDER, _OWNER, _BEAT, _ENDED, _SECONDS = "folder", "owner", "beat", "ended", "seconds"


@dataclass
class Running:
    """A trial under way here."""

    trial: Trial
    folder: str
    values: dict[str, Any]
    beaten: float = 0.0

    @property
    def key(self) -> str:
        """What the trial is called in messages and among the workers' tasks."""
        return self.folder


class StudyTrials:
    """The trials of a study that this process takes part in. Open it with `opened`."""

    def __init__(self, study: optuna.Study, space: Space, owner: str, folder: Path) -> None:
        self.study, self.space = study, space
        self._owner, self._folder = owner, folder

    @classmethod
    @contextmanager
    def opened(
        cls, folder: Path, space: Space, document: Mapping[str, Any], url: str | None, name: str
    ) -> Iterator[Self]:
        """Join the study called `name`, or found it; `document` is the recipe that it varies.

        Raises `RecipeError` for a study of something else, `DataError` for a storage that fails.
        """
        storage = open_storage(url, folder)
        try:
            with cls._joined(folder, space, document, storage, name) as joined:
                yield joined
        finally:
            storage.engine.dispose()

    @classmethod
    @contextmanager
    def _joined(
        cls,
        folder: Path,
        space: Space,
        document: Mapping[str, Any],
        storage: RDBStorage,
        name: str,
    ) -> Iterator[Self]:
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            sampler=PlacedTpe(space.seed, space.random_starts),
            direction="maximize",
            load_if_exists=True,
        )
        identity = _identity(space, document)
        kept = study.user_attrs.get(_IDENTITY)
        if kept is None:
            study.set_user_attr(_IDENTITY, identity)
        elif kept != identity:
            raise RecipeError(
                f"the study {name!r} in {folder} is of another recipe or search space",
                remedy="choose another --study (and --name, in a shared storage)",
            )
        owner = uuid.uuid4().hex
        with folder_lock(folder / "owners", owner):
            try:
                yield cls(study, space, f"{socket.gethostname()} {owner}", folder)
            finally:
                (folder / "owners" / owner).unlink(missing_ok=True)

    def counted(self) -> list[FrozenTrial]:
        """All trials but those that were interrupted, which are tried again as others."""
        return [trial for trial in self.study.get_trials(deepcopy=False) if counts(trial)]

    def any_complete(self) -> bool:
        """Whether a trial has a value."""
        return any(trial.state == TrialState.COMPLETE for trial in self.counted())

    def begin(self, most: int) -> Running | None:
        """Take the next trial, an interrupted one first; None where the study has its `most`."""
        counted = self.counted()
        if len(counted) >= most and not any(t.state == TrialState.WAITING for t in counted):
            return None
        trial = self.study.ask(distributions(self.space))
        before = sum(one.number < trial.number for one in self.counted())
        if before >= most:
            # Several machines asked at once; the last of them has one too many.
            self.study.tell(trial, state=TrialState.FAIL)
            return None
        folder = str(trial.user_attrs.get(_FOLDER) or self._folder_at(before))
        trial.set_user_attr(_FOLDER, folder)
        trial.set_user_attr(_OWNER, self._owner)
        running = Running(trial, folder, dict(trial.params))
        self.beat(running)
        return running

    def beat(self, running: Running) -> None:
        """Give a sign of life, now and then."""
        if time.monotonic() - running.beaten > _BEAT_S or running.beaten == 0.0:
            with _unless_taken_over():
                running.trial.set_user_attr(_BEAT, time.time())
            running.beaten = time.monotonic()

    def report(self, running: Running, point: Point) -> None:
        """Keep a figure on the way."""
        with _unless_taken_over():
            running.trial.report(point.value, point.step)

    def finish(self, running: Running, carried: Carried) -> None:
        """A trial's value is its best figure, whether it came to its end or was ended early."""
        known = self._intermediate(running)
        for point in carried.points:
            if point.step not in known:
                self.report(running, point)
        with _unless_taken_over():
            running.trial.set_user_attr(_ENDED, carried.ended)
            running.trial.set_user_attr(_SECONDS, round(carried.seconds, 1))
        self._tell(running, TrialState.COMPLETE, carried.value)

    def fail(self, running: Running, reason: str) -> None:
        """Record why a trial has no value."""
        with _unless_taken_over():
            running.trial.set_user_attr(REASON, reason)
        self._tell(running, TrialState.FAIL, None)

    def give_up(self, running: Running) -> None:
        """Leave a trial for later: the same values, and the same run folder, which goes on."""
        if self._tell(running, TrialState.FAIL, None):
            self._again(running.values, running.folder)

    def take_over(self) -> int:
        """Queue the trials again whose processes are no more; returns how many."""
        taken = 0
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if not self._abandoned(trial):
                continue
            try:
                self.study.tell(trial.number, state=TrialState.FAIL)
            except (ValueError, UpdateFinishedTrialError):
                continue  # another process was quicker
            self._again(trial.params, trial.user_attrs.get(_FOLDER))
            taken += 1
        return taken

    def _again(self, values: Mapping[str, Any], folder: str | None) -> None:
        # One that was interrupted before it had all its values will be drawn anew, to the same.
        if folder is not None and set(values) == set(self.space.parameters):
            self.study.enqueue_trial(dict(values), user_attrs={_FOLDER: folder})

    def _folder_at(self, place: int) -> str:
        taken = {trial.user_attrs.get(_FOLDER) for trial in self.study.get_trials(deepcopy=False)}
        while f"{place:04d}" in taken:
            place += 1
        return f"{place:04d}"

    def _tell(self, running: Running, state: TrialState, value: float | None) -> bool:
        """False where another process took the trial over meanwhile: it has the last word."""
        try:
            self.study.tell(running.trial, value, state)
        except (ValueError, UpdateFinishedTrialError):
            return False
        return True

    def _intermediate(self, running: Running) -> set[int]:
        trials = self.study.get_trials(deepcopy=False)
        return set(trials[running.trial.number].intermediate_values)

    def _abandoned(self, trial: FrozenTrial) -> bool:
        owner = trial.user_attrs.get(_OWNER)
        if owner == self._owner:
            return False
        silent = time.time() - self._last_sign(trial) > SILENCE_S
        if owner is None:
            return silent
        host, _, name = str(owner).partition(" ")
        if host != socket.gethostname() or not (self._folder / "owners").is_dir():
            return silent
        file = self._folder / "owners" / name
        return _is_dead(file) if file.exists() else silent

    def _last_sign(self, trial: FrozenTrial) -> float:
        started = trial.datetime_start
        return float(trial.user_attrs.get(_BEAT, started.timestamp() if started else 0.0))


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The space as Optuna describes it, in an order that does not hang on the file's: values are
    drawn one after the other."""
    return {key: _distribution(space.parameters[key]) for key in sorted(space.parameters)}


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.choices)
    if isinstance(parameter, FloatRange):
        return FloatDistribution(
            parameter.low, parameter.high, log=parameter.log, step=parameter.step
        )
    return IntDistribution(
        parameter.low, parameter.high, log=parameter.log, step=parameter.step or 1
    )


def _unless_taken_over() -> AbstractContextManager[None]:
    """What is written of a trial that another process took over is dropped."""
    return suppress(UpdateFinishedTrialError)


def _is_dead(lock: Path) -> bool:
    """Whether nobody holds the lock, which ends with its holder."""
    try:
        with folder_lock(lock.parent, lock.name):
            pass
    except DataError:
        return False
    return True


def _identity(space: Space, document: Mapping[str, Any]) -> str:
    """What all who take part must agree on: not where the data lie, nor how a run works."""
    recipe = {key: value for key, value in document.items() if key != "run"}
    data = recipe.get("data")
    if isinstance(data, Mapping):
        recipe["data"] = {key: value for key, value in data.items() if key != "folder"}
    agreed = {
        "recipe": recipe,
        "space": space.model_dump(
            mode="json", include={"figure", "patience", "seed", "parameters"}
        ),
    }
    return hashlib.sha256(json.dumps(agreed, sort_keys=True).encode()).hexdigest()


__all__ = ["SILENCE_S", "Running", "StudyTrials", "distributions"]
