"""Members brought to one order of queries and clips, or refused with the first difference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import DataError
from soundseek.lab.ensembling.blocks import read_block, rows_at_once, spans
from soundseek.lab.similarities import Similarities, Sound

_Floats = NDArray[np.float32]
_Places = NDArray[np.intp]
_Query = tuple[str, tuple[int, ...]]
_SAME = "give all members the same test set: the same clips, captions and exclusions"


@dataclass(frozen=True)
class Aligned:
    """A member in the order of the first one.

    `rows` `[queries]` and `columns` `[clips]`: where each query and clip of the first member
    stands in this one; None: at the same place.
    """

    name: str
    found: Similarities
    rows: _Places | None = None
    columns: _Places | None = None

    def block(self, start: int, stop: int, *, infinite: bool = False) -> _Floats:
        """Scores of the first member's queries `start` to `stop`.

        Raises `DataError` for NaN, and for infinities unless `infinite` ones may be.
        """
        scores = self.found.scores
        if self.rows is None:
            block = read_block(scores, start, stop)
        else:
            block = np.asarray(scores[self.rows[start:stop]], np.float32)
        strange = np.isnan(block) if infinite else ~np.isfinite(block)
        if strange.any():
            row, column = (int(place) for place in np.argwhere(strange)[0])
            query = start + row if self.rows is None else int(self.rows[start + row])
            raise DataError(
                f"{self.name}: the score of {self.found.queries[query]!r} and "
                f"{self.found.clips[column].id} is {block[row, column]}",
                remedy="find out where the system makes it; infinite scores can be joined by rank",
            )
        return block if self.columns is None else block[:, self.columns]

    def embeddings(self) -> tuple[_Floats, _Floats]:
        """Its (audio, text). Raises `DataError` where it has none."""
        audio, text = self.found.audio, self.found.text
        if audio is None or text is None:
            raise DataError(
                f"{self.name} has no embeddings, only scores",
                remedy="join by similarities, or leave this member out",
            )
        chosen_audio = audio if self.columns is None else audio[self.columns]
        chosen_text = text if self.rows is None else text[self.rows]
        return np.asarray(chosen_audio, np.float32), np.asarray(chosen_text, np.float32)


def aligned(members: Mapping[str, Similarities]) -> list[Aligned]:
    """All members in the order of the first.

    Clips are found by id or, where ids differ, by file name; queries by text and by the clips that
    answer them, and those that are alike in both by occurrence. Raises `DataError` naming the
    first difference.
    """
    (first, reference), *others = members.items()
    made = [Aligned(first, reference)]
    known: list[_Query] | None = None
    for name, found in others:
        columns = _columns(first, reference.clips, name, found.clips)
        if columns is None and _same_queries(reference, found):
            made.append(Aligned(name, found))
            continue
        if known is None:
            known = _keys(reference, None)
        rows = _rows(first, known, name, _keys(found, columns))
        made.append(Aligned(name, found, rows, columns))
    return made


def gathered(members: Iterable[tuple[str, Similarities]]) -> dict[str, Similarities]:
    """Members by name, opened one after the other; those in the order of the first share its lists
    and its relevant clips, which for many members would outweigh all blocks of scores."""
    found: dict[str, Similarities] = {}
    first: Similarities | None = None
    for name, one in members:
        if first is None:
            first = one
        elif [c.id for c in one.clips] == [c.id for c in first.clips] and _same_queries(first, one):
            one = replace(one, queries=first.queries, clips=first.clips, relevant=first.relevant)
        found[name] = one
    return found


def _same_queries(one: Similarities, other: Similarities) -> bool:
    if list(one.queries) != list(other.queries):
        return False
    if one.relevant is other.relevant:
        return True
    span = rows_at_once(len(one.clips))
    return all(
        np.array_equal(one.relevant[start:stop], other.relevant[start:stop])
        for start, stop in spans(len(one.queries), span)
    )


def _columns(
    first: str, reference: Sequence[Sound], name: str, clips: Sequence[Sound]
) -> _Places | None:
    wanted, given = [clip.id for clip in reference], [clip.id for clip in clips]
    if wanted == given:
        return None
    if set(wanted) != set(given):
        by_name = [Path(clip.path).name for clip in reference], [Path(c.path).name for c in clips]
        if set(by_name[0]) == set(by_name[1]) and all(_distinct(names) for names in by_name):
            wanted, given = by_name
    place = {one: i for i, one in enumerate(given)}
    known = set(wanted)
    for one, there, here, there_is in ((wanted, place, name, first), (given, known, first, name)):
        lacking = [clip for clip in one if clip not in there]
        if lacking:
            raise DataError(
                f"{here} lacks {len(lacking)} of the {len(one)} clips of {there_is}, "
                f"the first is {lacking[0]}",
                remedy=_SAME,
            )
    if len(given) != len(wanted) or not _distinct(given):
        raise DataError(f"{name} or {first} lists a clip twice", remedy="give each clip one id")
    found = np.array([place[clip] for clip in wanted], np.intp)
    return None if np.array_equal(found, np.arange(len(found))) else found


def _distinct(names: Sequence[str]) -> bool:
    return len(set(names)) == len(names)


def _keys(found: Similarities, columns: _Places | None) -> list[_Query]:
    """(text, clips that answer it) of every query, the clips in the first member's numbers."""
    keys: list[_Query] = []
    for start, stop in spans(len(found.queries), rows_at_once(len(found.clips))):
        relevant = found.relevant[start:stop]
        if columns is not None:
            relevant = relevant[:, columns]
        keys += [
            (query, tuple(np.flatnonzero(row).tolist()))
            for query, row in zip(found.queries[start:stop], relevant, strict=True)
        ]
    return keys


def _rows(
    first: str, wanted: Sequence[_Query], name: str, given: Sequence[_Query]
) -> _Places | None:
    places: dict[_Query, list[int]] = defaultdict(list)
    for row, key in enumerate(given):
        places[key].append(row)
    rows = []
    taken: dict[_Query, int] = defaultdict(int)
    for key in wanted:
        here = places.get(key, [])
        if taken[key] >= len(here):
            raise _differing_query(first, wanted, name, given, key)
        rows.append(here[taken[key]])
        taken[key] += 1
    if len(given) > len(wanted):
        extra = next(key for key in given if len(places[key]) > taken[key])
        raise _differing_query(name, given, first, wanted, extra)
    found = np.array(rows, np.intp)
    return None if np.array_equal(found, np.arange(len(found))) else found


def _differing_query(
    first: str, wanted: Sequence[_Query], name: str, given: Sequence[_Query], key: _Query
) -> DataError:
    text = key[0]
    times = [sum(one == text for one, _ in keys) for keys in (wanted, given)]
    if times[1] == 0:
        what = f"{name} lacks the query {text!r} of {first}"
    elif times[0] != times[1]:
        what = f"the query {text!r} stands {times[0]} times in {first}, {times[1]} times in {name}"
    else:
        what = f"other clips answer the query {text!r} in {name} than in {first}"
    return DataError(what, remedy=_SAME)
