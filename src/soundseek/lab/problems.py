"""Problems that are collected and told at once, rather than one a try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from soundseek.errors import SoundseekError


@dataclass(frozen=True)
class Problem:
    """What is wrong, where in the recipe or the machine, and what to do about it."""

    where: str
    message: str
    remedy: str | None = None

    def __str__(self) -> str:
        told = f"{self.where}: {self.message}"
        return told if self.remedy is None else f"{told}\n  → {self.remedy}"


class Problems:
    """Those found so far, in order. One that is found in several places stands there once."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def add(self, where: str, message: str, remedy: str | None = None) -> None:
        """Add one, unless it is known."""
        for i, known in enumerate(self._found):
            if (known.message, known.remedy) == (message, remedy):
                if where not in known.where.split(", "):
                    self._found[i] = replace(known, where=f"{known.where}, {where}")
                return
        self._found.append(Problem(where, message, remedy))

    @contextmanager
    def collecting(self, where: str) -> Iterator[None]:
        """End the block at a deliberate error and keep that; go on behind the block."""
        try:
            yield
        except SoundseekError as error:
            self.add(where, error.message, error.remedy)
