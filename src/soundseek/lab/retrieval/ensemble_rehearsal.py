"""A rehearsal of an ensemble: each kind of member once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundseek.lab.plain_rehearsal import PlainRehearsal, rehearse_caption_match
from soundseek.lab.problems import Problem, Problems
from soundseek.lab.retrieval.caption_match import CaptionMatchRecipe
from soundseek.lab.retrieval.ensemble import (
    EnsembleRecipe,
    NamedMember,
    members_of,
    trained_members,
)
from soundseek.lab.retrieval.prepare import Say
from soundseek.lab.retrieval.rehearsal import rehearse
from soundseek.lab.retrieval.rehearsed import Rehearsal, duration
from soundseek.lab.retrieval.sharing import giver
from soundseek.lab.run_folder import RunFolder


@dataclass(frozen=True)
class RehearsedMember:
    """Members of one kind, the seconds that all of them take, less what others hand over to them
    (none where nothing is learnt), and the rehearsal of the first."""

    members: tuple[str, ...]
    seconds: float | None
    rehearsal: Rehearsal | PlainRehearsal


@dataclass(frozen=True)
class EnsembleRehearsal:
    """Members that differ in more than seed and fold, each rehearsed once."""

    name: str
    kinds: tuple[RehearsedMember, ...]
    problems: tuple[Problem, ...]

    @property
    def seconds(self) -> float | None:
        """Of all members one after the other; None where one could not be tried."""
        times = [kind.seconds for kind in self.kinds]
        if any(time is None for time in times):
            return None
        return sum(time for time in times if time is not None)

    def document(self) -> dict[str, Any]:
        """As JSON would hold it."""
        return {
            "name": self.name,
            "estimate_s": self.seconds,
            "kinds": [
                {
                    "members": list(kind.members),
                    "estimate_s": kind.seconds,
                    "rehearsal": kind.rehearsal.document(),
                }
                for kind in self.kinds
            ],
            "problems": [vars(problem) for problem in self.problems],
        }

    def lines(self) -> Iterator[str]:
        """As people read it."""
        members = sum(len(kind.members) for kind in self.kinds)
        yield f"{self.name}: {members} members of {len(self.kinds)} kinds"
        for kind in self.kinds:
            yield ""
            others = len(kind.members) - 1
            yield f"member {kind.members[0]}" + (f" and {others} like it" if others else "")
            yield from kind.rehearsal.lines()
        yield ""
        if self.seconds is not None:
            yield (
                f"all members one after the other: about {duration(self.seconds)}; stages that "
                "several have in common are counted once, disk and memory are those of one member"
            )


def rehearse_ensemble(
    recipe: EnsembleRecipe, run_folder: Path | None = None, say: Say = print
) -> EnsembleRehearsal:
    """Rehearse members that differ in more than seed and fold."""
    problems = Problems()
    if run_folder is not None:
        with problems.collecting("--out"):
            RunFolder(run_folder).check(recipe)
    members = members_of(recipe)
    trained = trained_members(members)
    kinds: dict[str, list[NamedMember]] = {}
    for member in members:
        kinds.setdefault(_kind(member), []).append(member)
    found = []
    for alike in kinds.values():
        name, first = alike[0]
        say(f"member {name}")
        folder = None if run_folder is None else run_folder / name
        if isinstance(first, CaptionMatchRecipe):
            read = rehearse_caption_match(first, folder, say)
            for problem in read.problems:
                problems.add(problem.where, problem.message, problem.remedy)
            found.append(RehearsedMember(tuple(one.name for one in alike), 0.0, read))
            continue
        rehearsal = rehearse(first, folder, say)
        for problem in rehearsal.problems:
            problems.add(problem.where, problem.message, problem.remedy)
        seconds = [_seconds(rehearsal, giver(trained, member.name)) for member in alike]
        known = [time for time in seconds if time is not None]
        total = sum(known) if len(known) == len(seconds) else None
        found.append(RehearsedMember(tuple(one.name for one in alike), total, rehearsal))
    return EnsembleRehearsal(recipe.name, tuple(found), tuple(problems))


def _kind(member: NamedMember) -> str:
    document = member.recipe.model_dump(mode="json")
    for key in ("seed", "name", "description", "published"):
        document.pop(key, None)
    document["data"].pop("fold", None)
    return json.dumps(document, sort_keys=True)


def _seconds(rehearsal: Rehearsal, given: tuple[str, list[str]] | None) -> float | None:
    """Of a member, without the stages that another one hands over."""
    if rehearsal.seconds is None:
        return None
    handed = set() if given is None else set(given[1])
    saved = [
        stage.time.total_s
        for stage in rehearsal.stages
        if stage.name in handed and stage.time is not None
    ]
    return rehearsal.seconds - sum(saved)
