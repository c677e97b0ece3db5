"""Reads typed fields out of parsed JSON and collects every problem instead of the first one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

_Choice = TypeVar("_Choice", bound=str)
_MISSING = object()


class Section:
    """One JSON object of a document.

    Each reader returns the value of a key or, after noting what is wrong, a harmless stand-in of
    the right type, so that reading goes on and finds the other problems too. Whoever reads must
    refuse the document at the end if `problems` (shared by all sections, one line a problem with
    path, value and remedy) is not empty.
    """

    def __init__(self, entries: Mapping[str, object], path: str, problems: list[str]) -> None:
        self.path = path
        self.problems = problems
        self._unread = dict(entries)

    def at(self, key: str) -> str:
        """Return the full path of `key`, such as "audio.sample_rate"."""
        return f"{self.path}.{key}" if self.path else key

    def note(self, key: str, value: object, remedy: str) -> None:
        """Note that `value` at `key` must change."""
        shown = repr(value)
        if len(shown) > 60:
            shown = shown[:57] + "..."
        self.problems.append(f"{self.at(key)} = {shown}: {remedy}")

    def section(self, key: str) -> Section:
        """Return the object at `key`."""
        value = self._take(key)
        if isinstance(value, Mapping):
            return Section(value, self.at(key), self.problems)
        self._refuse(key, value, "must be an object")
        # The fields of an object that is not there are not worth a line each.
        return Section({}, self.at(key), [])

    def optional_section(self, key: str) -> Section | None:
        """Return the object at `key`, or None if the document says null there."""
        if self._unread.get(key, _MISSING) is None:
            del self._unread[key]
            return None
        return self.section(key)

    def sections(self, key: str) -> list[Section]:
        """Return the list of objects at `key`."""
        value = self._take(key)
        if not isinstance(value, list | tuple):
            self._refuse(key, value, "must be a list of objects")
            return []
        found = []
        for index, entry in enumerate(value):
            path = f"{key}[{index}]"
            if isinstance(entry, Mapping):
                found.append(Section(entry, self.at(path), self.problems))
            else:
                self.note(path, entry, "must be an object")
        return found

    def mapping(self, key: str) -> dict[str, object]:
        """Return the object at `key` as it is, for free-form content."""
        value = self._take(key)
        if isinstance(value, Mapping):
            return {str(name): entry for name, entry in value.items()}
        self._refuse(key, value, "must be an object")
        return {}

    def text(self, key: str, *, may_be_empty: bool = False) -> str:
        """Return the string at `key`."""
        value = self._take(key)
        if isinstance(value, str) and (may_be_empty or value.strip()):
            return value
        self._refuse(
            key, value, "must be a text" if may_be_empty else "must be a text with content"
        )
        return ""

    def choice(self, key: str, choices: Sequence[_Choice], otherwise: _Choice) -> _Choice:
        """Return the text at `key`, one of `choices`; `otherwise` where there is none."""
        value = self._unread.pop(key, otherwise)
        for one in choices:
            if value == one:
                return one
        self.note(key, value, f"must be one of {', '.join(choices)}")
        return otherwise

    def integer(self, key: str, *, least: int) -> int:
        """Return the integer at `key`, which must be at least `least`."""
        value = self._take(key)
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        self._refuse(key, value, f"must be an integer of at least {least}")
        return least

    def number(self, key: str) -> float:
        """Return the finite number at `key`."""
        value = self._take(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        self._refuse(key, value, "must be a finite number")
        return 0.0

    def boolean(self, key: str) -> bool:
        """Return the boolean at `key`."""
        value = self._take(key)
        if isinstance(value, bool):
            return value
        self._refuse(key, value, "must be true or false")
        return False

    def finish(self) -> None:
        """Note every key that nothing has read."""
        for key, value in self._unread.items():
            self.note(key, value, "unknown key, remove it or correct its spelling")

    def _take(self, key: str) -> object:
        return self._unread.pop(key, _MISSING)

    def _refuse(self, key: str, value: object, remedy: str) -> None:
        if value is _MISSING:
            self.problems.append(f"{self.at(key)} is missing: {remedy}")
        else:
            self.note(key, value, remedy)
