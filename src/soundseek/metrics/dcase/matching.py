"""Predictions brought together with the truth: whose row is whose query, and what it earns.

Texts are compared after HTML entities are resolved and white space is made single. Every caption
of the truth is a query of its own. Where several captions have one text, the n-th row of that text
answers the n-th of them; a single row answers all of them.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from soundseek.errors import DataError
from soundseek.metrics.dcase.predictions import Ranked, Scored
from soundseek.metrics.dcase.tables import shown, text_key
from soundseek.metrics.dcase.truth import Truth
from soundseek.metrics.retrieval import Positions, relevant_positions

_Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Matched:
    """Predictions in the order of the truth's queries.

    Attributes:
        truth, predictions: what was matched.
        row_of: int64 `[queries]`, the row of `predictions` that answers each query.
        column_of: int64 `[files of the truth]`, index into `predictions.names`, -1 where the
            predictions never name the file.
    """

    truth: Truth
    predictions: Ranked | Scored
    row_of: _Indices
    column_of: _Indices

    @property
    def depth(self) -> int | None:
        """How many places of each ranking are known; None if it is all of them."""
        if isinstance(self.predictions, Scored):
            return None
        k = self.predictions.ranking.shape[1]
        return None if self.truth.lists_all_files and k >= len(self.truth.files) else k

    @property
    def n_files(self) -> int | None:
        """How many files are searched; None if neither file says so."""
        if isinstance(self.predictions, Scored):
            return len(self.predictions.names)
        return len(self.truth.files) if self.truth.lists_all_files else None

    def text_to_audio(self) -> Positions:
        """Return the places of each query's relevant files; infinite beyond `depth`."""
        if isinstance(self.predictions, Scored):
            return relevant_positions(self._scores(self.predictions), self._relevant())
        return _ranked_positions(self.truth, self._ranking(self.predictions))

    def audio_to_text(self) -> tuple[list[str], Positions]:
        """Return the files that have a relevant caption, and the places of those captions.

        Every query of the truth is a caption to be found; a file's own ones are relevant, of which
        there may be several. The files are in the truth's order. Raises `DataError` for ranked
        names, which say nothing about it.
        """
        if not isinstance(self.predictions, Scored):
            raise DataError(
                f"{self.predictions.path} ranks files for each text: texts cannot be ranked for a "
                "file from it",
                remedy="give a score matrix: index (or query), then one column a file",
            )
        asked = np.unique(self.truth.file_of)
        columns = self.column_of[asked]
        scores = np.ascontiguousarray(self._scores(self.predictions).T)[columns]
        relevant = np.ascontiguousarray(self._relevant().T)[columns]
        return [self.truth.files[file] for file in asked], relevant_positions(scores, relevant)

    def first_names(self, k: int) -> list[list[str]]:
        """Return the first k names of each query, fewer if fewer are known.

        Files that tie are in the order of their columns.
        """
        names = self.predictions.names
        if isinstance(self.predictions, Scored):
            scores = self.predictions.scores
            order = np.stack([np.argsort(-row, kind="stable")[:k] for row in scores])
        else:
            order = self.predictions.ranking[:, :k]
        return [[names[i] for i in row] for row in order[self.row_of].tolist()]

    def _scores(self, scored: Scored) -> npt.NDArray[np.float64]:
        if np.array_equal(self.row_of, np.arange(len(scored.texts))):
            return scored.scores
        return scored.scores[self.row_of]

    def _relevant(self) -> npt.NDArray[np.bool_]:
        relevant = np.zeros((len(self.truth.queries), len(self.predictions.names)), dtype=np.bool_)
        relevant[self.truth.query_of, self.column_of[self.truth.file_of]] = True
        return relevant

    def _ranking(self, ranked: Ranked) -> _Indices:
        """The ranking in the truth's own numbers, -1 for a file that it does not know."""
        file_of_name = np.full(len(ranked.names), -1, dtype=np.int64)
        known = np.flatnonzero(self.column_of >= 0)
        file_of_name[self.column_of[known]] = known
        return file_of_name[ranked.ranking][self.row_of]


def match(truth: Truth, predictions: Ranked | Scored, *, allow_extra: bool = False) -> Matched:
    """Find the row of every query and the place of every file.

    Raises `DataError` for a query without a row, a number of rows of one text that fits neither
    rule, and a relevant file that a score matrix lacks; likewise, unless `allow_extra`, for rows
    of other texts, and for files that the truth does not know if it lists all.
    """
    row_of = _rows(truth, predictions, allow_extra)
    index = {name: i for i, name in enumerate(predictions.names)}
    column_of = np.array([index.get(name, -1) for name in truth.files], dtype=np.int64)
    if truth.lists_all_files and not allow_extra:
        _refuse_unknown(truth, predictions)
    if isinstance(predictions, Scored) and (lacking := np.flatnonzero(column_of < 0)).size:
        raise DataError(
            f"{predictions.path} has no column for {lacking.size:,} of the {len(truth.files):,} "
            f"files of {truth.path}, the first is {shown(truth.files[lacking[0]])}",
            remedy="score every file; columns are named as in the truth, without folders",
        )
    return Matched(truth, predictions, row_of, column_of)


def _rows(truth: Truth, predictions: Ranked | Scored, allow_extra: bool) -> _Indices:
    if truth.queries == predictions.texts:
        return np.arange(len(truth.queries), dtype=np.int64)
    asked = [text_key(text) for text in truth.queries]
    answered = [text_key(text) for text in predictions.texts]
    rows: dict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(answered):
        rows[text].append(row)
    queries: dict[str, list[int]] = defaultdict(list)
    for query, text in enumerate(asked):
        queries[text].append(query)
    lacking = [query for query, text in enumerate(asked) if text not in rows]
    if lacking:
        raise DataError(
            f"{predictions.path} has no row for {len(lacking):,} of the {len(asked):,} queries of "
            f"{truth.path}, the first is {shown(truth.queries[lacking[0]])}",
            remedy="give one row for every query, its text as in the truth",
        )
    extra = [row for row, text in enumerate(answered) if text not in queries]
    if extra and not allow_extra:
        raise DataError(
            f"{predictions.path}, row {predictions.rows[extra[0]]}: {truth.path} does not ask "
            f"{shown(predictions.texts[extra[0]])}; there are {len(extra):,} such rows",
            remedy="remove them, or allow extra rows (--allow-extra)",
        )
    row_of = np.empty(len(asked), dtype=np.int64)
    for text, wanted in queries.items():
        given = rows[text]
        if len(given) not in (1, len(wanted)):
            raise DataError(
                f"{predictions.path}, row {predictions.rows[given[1]]}: {shown(text)} has "
                f"{len(given)} rows, but {len(wanted)} in {truth.path}",
                remedy="give a text one row, or as many as the truth has captions of it",
            )
        row_of[wanted] = given if len(given) == len(wanted) else given[0]
    return row_of


def _refuse_unknown(truth: Truth, predictions: Ranked | Scored) -> None:
    unknown = sorted(set(predictions.names).difference(truth.files), key=predictions.names.index)
    if not unknown:
        return
    name = unknown[0]
    where = str(predictions.path)
    if isinstance(predictions, Ranked):
        row, place = np.argwhere(predictions.ranking == predictions.names.index(name))[0]
        where += f", row {predictions.rows[row]}, file_name_{place + 1}"
    else:
        where += f", column {predictions.names.index(name) + 2}"
    near = difflib.get_close_matches(name, truth.files, n=1)
    raise DataError(
        f"{where}: {truth.path} does not know the file {shown(name)}"
        + (f" nor {len(unknown) - 1:,} others" if len(unknown) > 1 else ""),
        remedy=(f"did you mean {shown(near[0])}? " if near else "")
        + "Name files as in the truth, or allow extra files (--allow-extra)",
    )


def _ranked_positions(truth: Truth, ranking: _Indices) -> Positions:
    n_files = len(truth.files)
    n_queries = len(truth.queries)
    relevant = truth.query_of * n_files + truth.file_of
    asked = np.arange(n_queries)[:, None] * n_files + ranking
    # Both sides are sorted by query, and a key is found where it would be inserted.
    slot = np.minimum(np.searchsorted(relevant, asked), relevant.size - 1)
    hits = (relevant[slot] == asked) & (ranking >= 0)
    totals = np.bincount(truth.query_of, minlength=n_queries)
    places = np.full((n_queries, int(totals.max())), np.inf)
    query, column = np.nonzero(hits)
    order = np.cumsum(hits, axis=1)[query, column] - 1
    places[query, order] = column + 1
    return Positions(places, totals.astype(np.int64))
