"""The search: trials one after the other, or several at once, until the study has them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soundseek.errors import DataError, SoundseekError
from soundseek.lab.recipe_files import (
    find_recipe,
    read_recipe_file,
    with_values,
)
from soundseek.lab.runs.course import Point
from soundseek.lab.runs.order import Carried, Order, carry_out, shared
from soundseek.lab.runs.tables import write_text
from soundseek.lab.runs.workers import Event, Failure, Workers, threads_each
from soundseek.lab.search.space import Space, check_space
from soundseek.lab.search.storage import told_as_error
from soundseek.lab.search.study import Running, StudyTrials
from soundseek.lab.systems import check_ranking, recipe_of, small

Say = Callable[[str], None]
_POLL_S: Final = 5.0
_FIRST_FAILURES: Final = 3
TRIALS: Final = "trials"


@dataclass(frozen=True)
class Task:
    """What is searched: a recipe (a name or a path, and what is merged over it) and a space.

    `smoke`: every trial is made small enough to be tried on synthetic sounds.
    """

    recipe: str
    space: Space
    overrides: tuple[str, ...] = ()
    differences: tuple[Path, ...] = ()
    smoke: bool = False

    def document(self) -> dict[str, Any]:
        """The recipe's mapping, before any value of the space."""
        return read_recipe_file(find_recipe(self.recipe), self.overrides, self.differences)

    def where(self) -> str:
        """What errors call the recipe."""
        return str(find_recipe(self.recipe))


class Search:
    """A study in `folder`: `study.db`, unless `storage` names a database; a run folder a trial
    under `trials/`; what all of them share under `cache/`."""

    def __init__(self, task: Task, folder: Path, *, storage: str | None, name: str | None) -> None:
        self.task, self.folder = task, folder
        self.storage, self.name = storage, name or folder.resolve().name
        self.document = task.document()
        self.recipe = recipe_of(self.document, task.where())
        check_ranking(self.document, task.recipe)
        check_space(task.space, self.document, lambda one: recipe_of(one, task.where()))

    def run(self, say: Say, *, trials: int, jobs: int = 1) -> None:
        """Make what is missing of `trials`.

        A trial's value is its best figure on the validation set. One that gains nothing for the
        space's `patience` is ended and keeps its best: what more training might have given it is
        not known, but what it reached is, and the sampler learns from that. (Optuna's pruned trials
        would rank below all others, by how far they came: here that says nothing.)

        A trial that fails is recorded with the reason, and counts. Interrupted trials go on in
        their own run folders, with their own values. With one job a study is the same whenever it
        is made; with several, what is tried hangs on which trial ends first.

        Raises `DataError` when the first three all fail, or the disk does.
        """
        with told_as_error(self.storage or str(self.folder)), self.joined() as study:
            _Session(self, study, say, trials, jobs).run()

    def joined(self) -> AbstractContextManager[StudyTrials]:
        """The study's trials. Raises `RecipeError` if the folder is another study's."""
        return StudyTrials.opened(
            self.folder, self.task.space, self._agreed(), self.storage, self.name
        )

    def order(self, running: Running, threads: int | None) -> Order:
        """The run of a trial."""
        document = with_values(self.document, running.values)
        recipe = recipe_of(document, self.task.where())
        if self.task.smoke:
            recipe = small(recipe, self.folder / "synthetic")
        return Order(
            shared(recipe, self.folder / "cache", threads),
            self.folder / TRIALS / running.folder,
            figure=self.task.space.figure,
            patience=self.task.space.patience,
            threads=threads,
        )

    def _agreed(self) -> Mapping[str, Any]:
        document = self.recipe.model_dump(mode="json")
        return document | {"smoke": True} if self.task.smoke else document


class _Session:
    """One process's part in a study."""

    def __init__(
        self, search: Search, study: StudyTrials, say: Say, trials: int, jobs: int
    ) -> None:
        self.search, self.study, self.say = search, study, say
        self.trials, self.jobs = trials, jobs
        self.running: dict[str, Running] = {}
        self.failures: list[str] = []
        self.succeeded = study.any_complete()

    def run(self) -> None:
        try:
            with Workers(self.jobs, carry_out) as workers:
                self._go(workers)
        finally:
            for running in self.running.values():
                self.study.give_up(running)

    def _go(self, workers: Workers) -> None:
        while True:
            taken = self.study.take_over() if workers.free else 0
            if taken:
                self.say(f"{taken} interrupted trials go on")
            while workers.free and (running := self.study.begin(self.trials)) is not None:
                self._give(workers, running)
            if not self.running:
                return
            for event in workers.events(_POLL_S):
                self._hear(event)
            for running in self.running.values():
                self.study.beat(running)

    def _give(self, workers: Workers, running: Running) -> None:
        self.running[running.key] = running
        values = "  ".join(f"{key.rpartition('.')[2]} {v}" for key, v in running.values.items())
        self.say(f"trial {running.key}: {values}")
        try:
            order = self.search.order(running, threads_each(self.jobs))
        except SoundseekError as error:
            # Each end of each range makes a recipe; some two of them together may not.
            self._fail(running, Failure(str(error), ""))
            return
        workers.give(running.key, order)

    def _hear(self, event: Event) -> None:
        running = self.running[event.key]
        if isinstance(event.content, Point):
            self.study.report(running, event.content)
        elif event.kind == "told":
            self.say(f"trial {event.key}: {event.content}")
        elif isinstance(event.content, Failure):
            self._fail(running, event.content)
        else:
            self._finish(running, event.content)

    def _finish(self, running: Running, carried: Carried) -> None:
        self.succeeded = True
        self.study.finish(running, carried)
        del self.running[running.key]
        how = "" if carried.ended == "full" else ", ended early"
        figure = self.search.task.space.figure
        self.say(f"trial {running.key} is done: {figure} {carried.value:.4f}{how}")

    def _fail(self, running: Running, failure: Failure) -> None:
        folder = self.search.folder / TRIALS / running.folder
        if failure.elsewhere:
            raise DataError(
                f"trial {running.key}: {failure.reason}",
                remedy="mend that and run the command again: the study goes on where it was",
            )
        if failure.details:
            write_text(folder / "failure.txt", failure.details)
        self.study.fail(running, failure.reason)
        del self.running[running.key]
        self.say(f"trial {running.key} failed: {failure.reason}")
        self.failures.append(failure.reason)
        if not self.succeeded and len(self.failures) >= _FIRST_FAILURES:
            raise DataError(
                f"the first {len(self.failures)} trials failed; the last: {self.failures[-1]}",
                remedy=f"mend that (details: {folder / 'failure.txt'}) and begin a new study",
            )
