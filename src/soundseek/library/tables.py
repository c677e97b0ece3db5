"""What searches keep in memory of a library, and when it is made anew; threads may share it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from soundseek.library.caption_search import CaptionTable
    from soundseek.library.query import Filters
    from soundseek.library.vectors import WindowTable

T = TypeVar("T")

_MOST_FILTERS = 32
_COST_SHARE = 20.0


@dataclass(frozen=True, slots=True)
class Made(Generic[T]):
    """A value, the library's revision that it was made of, and the object it was made beside."""

    value: T
    revision: int
    beside: object
    good_until: float


class Kept(Generic[T]):
    """The newest value that was made of a library.

    With `patience_s` of 0 it is always of the revision that is asked for. Otherwise a value made
    less than `patience_s` seconds ago will do, or less than twenty times as long ago as it took to
    make it: while another process commits several times a second, searches do not do nothing but
    follow it. One thread makes a new value; the others go on with the old one.
    """

    def __init__(self, patience_s: float = 0.0) -> None:
        """Nothing is made before `at`."""
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._made: Made[T] | None = None

    def at(self, revision: int, make: Callable[[Made[T] | None], T], *, beside: object = None) -> T:
        """Return the value as of `revision`, or nearly so.

        `make` gets what was made last, if anything. A value that was made beside another object
        than `beside` never will do.
        """
        made = self._made
        if made is not None and made.beside is beside:
            if self._will_do(made, revision):
                return made.value
            if self._patience_s > 0:
                if not self._lock.acquire(blocking=False):
                    return made.value
                try:
                    return self._remade(revision, make, beside)
                finally:
                    self._lock.release()
        with self._lock:
            return self._remade(revision, make, beside)

    def _remade(self, revision: int, make: Callable[[Made[T] | None], T], beside: object) -> T:
        made = self._made
        if made is not None and made.beside is beside and self._will_do(made, revision):
            return made.value
        start = time.monotonic()
        value = make(made)
        end = time.monotonic()
        patience = max(self._patience_s, _COST_SHARE * (end - start)) if self._patience_s else 0.0
        self._made = Made(value, revision, beside, end + patience)
        return value

    def _will_do(self, made: Made[T], revision: int) -> bool:
        return made.revision == revision or (
            self._patience_s > 0 and time.monotonic() < made.good_until
        )


class SearchTables:
    """What the searchers of one library keep between searches.

    One for each `Searcher`, or one for the searchers of several threads, each with a database
    connection of its own.

    Attributes:
        windows: the vectors of clips.
        captions: the vectors of captions.
        captions_beside: captions placed beside a table of clips; None if there are none.
        writes_cache: whether the cache files are written again when they are behind; None leaves
            it to whether the database may be written.
    """

    def __init__(self, *, patience_s: float = 0.0, writes_cache: bool | None = None) -> None:
        """See `Kept` for `patience_s`."""
        self.windows: Kept[WindowTable] = Kept(patience_s)
        self.captions: Kept[WindowTable] = Kept(patience_s)
        self.captions_beside: Kept[CaptionTable | None] = Kept(patience_s)
        self.writes_cache = writes_cache
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._passing: OrderedDict[Filters, Kept[npt.NDArray[np.int64]]] = OrderedDict()

    def passing(self, filters: Filters) -> Kept[npt.NDArray[np.int64]]:
        """Return the keeper of which clips pass `filters`; of the filters used last."""
        with self._lock:
            kept = self._passing.pop(filters, None) or Kept(self._patience_s)
            self._passing[filters] = kept
            while len(self._passing) > _MOST_FILTERS:
                self._passing.popitem(last=False)
            return kept
