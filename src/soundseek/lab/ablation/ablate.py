"""Running an ablation: every row with every seed, each a run of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from soundseek.errors import DataError, RecipeError, SoundseekError
from soundseek.lab.ablation.comparison import Compared, compare, heard
from soundseek.lab.ablation.rows import Rows, System, systems_of
from soundseek.lab.recipe_files import RecipeBase
from soundseek.lab.runs.course import Point
from soundseek.lab.runs.order import Order, carry_out, is_scored, shared
from soundseek.lab.runs.tables import write_text
from soundseek.lab.runs.workers import Event, Failure, Workers, threads_each
from soundseek.lab.similarities import open_similarities
from soundseek.lab.systems import recipe_of, small

Say = Callable[[str], None]
_POLL_S: Final = 60.0


@dataclass(frozen=True)
class Plan:
    """Which runs an ablation has; `smoke`: small ones, on synthetic sounds."""

    rows: Rows
    systems: Sequence[System]
    seeds: Sequence[int]
    folder: Path
    smoke: bool = False

    @classmethod
    def of(
        cls,
        rows: Rows,
        recipe: str,
        folder: Path,
        *,
        overrides: Sequence[str] = (),
        differences: Sequence[Path] = (),
        seeds: Sequence[int] = (0, 1, 2),
        smoke: bool = False,
    ) -> Plan:
        """Make every row of it whole. Raises `RecipeError` with the problems of all of them."""
        if len(set(seeds)) < len(seeds) or not seeds or min(seeds) < 0:
            raise RecipeError(f"seeds {list(seeds)}", remedy="name each once, from 0 on: 0,1,2")
        systems = systems_of(rows, recipe, overrides, differences)
        return cls(rows, systems, tuple(seeds), folder, smoke)

    def recipe(self, system: System, seed: int) -> RecipeBase:
        """The recipe of one run."""
        document = {**system.document, "seed": seed}
        recipe = recipe_of(document, f"row {system.name}")
        return small(recipe, self.folder / "synthetic") if self.smoke else recipe

    def run_folder(self, system: System, seed: int) -> Path:
        """Where it stands; that of the other for a row that is the same as another."""
        return self.folder / (system.same_as or system.name) / f"seed-{seed}"


@dataclass
class Outcome:
    """The table of an ablation, as far as there are runs, and why others failed, by run folder."""

    compared: Mapping[str, Compared]
    failures: dict[str, str] = field(default_factory=dict)


def ablate(plan: Plan, say: Say, *, jobs: int = 1) -> Outcome:
    """Make the runs that are missing, go on with those that were interrupted, and compare all.

    A run that fails is told of and the others go on; it is tried again when the ablation is.
    Raises `RecipeError` if a folder holds a run of something else, `DataError` when the disk fails.
    """
    wanted = [
        (system, seed) for seed in plan.seeds for system in plan.systems if system.same_as is None
    ]
    orders: dict[str, Order] = {}
    for system, seed in wanted:
        folder = plan.run_folder(system, seed)
        recipe = plan.recipe(system, seed)
        _claim(folder, recipe)
        if is_scored(folder):
            say(f"{system.name} seed {seed} is done")
            continue
        document = shared(recipe, plan.folder / "cache", threads_each(jobs))
        orders[f"{system.name} seed {seed}"] = Order(
            document, folder, scored=True, threads=threads_each(jobs)
        )
    failures = _carry_out(orders, jobs, say)
    return Outcome(table_of(plan), failures)


def table_of(plan: Plan) -> dict[str, Compared]:
    """The comparison of the runs that are there. Raises `DataError` for a damaged one."""
    found: dict[str, list[Any]] = {}
    for system in plan.systems:
        if system.same_as is None:
            folders = [plan.run_folder(system, seed) for seed in plan.seeds]
            found[system.name] = [
                heard(open_similarities(folder / "similarities" / "test"))
                for folder in folders
                if is_scored(folder)
            ]
    return compare(found, plan.systems[0].name)


def _carry_out(orders: Mapping[str, Order], jobs: int, say: Say) -> dict[str, str]:
    failures: dict[str, str] = {}
    waiting = list(orders)
    with Workers(jobs, carry_out) as workers:
        while waiting or workers.busy:
            while waiting and workers.free:
                key = waiting.pop(0)
                say(f"{key} begins ({len(orders) - len(waiting)} of {len(orders)})")
                workers.give(key, orders[key])
            for event in workers.events(_POLL_S):
                failure = _hear(event, say)
                if failure is None:
                    continue
                if failure.elsewhere:
                    raise DataError(
                        f"{event.key}: {failure.reason}",
                        remedy="mend that and run the command again: it goes on where it was",
                    )
                failures[event.key] = failure.reason
                if failure.details:
                    write_text(orders[event.key].folder / "failure.txt", failure.details)
    return failures


def _hear(event: Event, say: Say) -> Failure | None:
    if isinstance(event.content, Failure):
        say(f"{event.key} failed: {event.content.reason}")
        return event.content
    if event.kind == "done":
        say(f"{event.key} is done")
    elif not isinstance(event.content, Point):
        say(f"{event.key}: {event.content}")
    return None


def _claim(folder: Path, recipe: RecipeBase) -> None:
    from soundseek.lab.run_folder import RunFolder

    try:
        RunFolder.claim(folder, recipe)
    except SoundseekError as error:
        raise RecipeError(
            error.message,
            remedy="an ablation's rows, overrides and data stay the same in one --out; choose "
            "another, or remove the folder",
        ) from error
