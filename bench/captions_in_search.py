"""What captions are worth in a search: R@10 and mAP@10 by weight, with 95 % intervals.

    python bench/captions_in_search.py LIBRARY QUERIES.csv [--names] [--limit 500]

LIBRARY has captions already (soundseek library caption). QUERIES.csv has the columns "query" and
"path": what is asked, and a file that answers it; rows with the same query give it several. Paths
are absolute, or the last parts of one. A query must not be a caption that the library holds.

Rows: by sound alone; with words of captions, with their meaning (each weight), with both. File
names and tags do not count unless --names is given. The last column is the mean difference of
mAP@10 to the sound alone, query by query, with its interval. Nothing is written into the library.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from soundseek.library import Library, caption_search, names, search
from soundseek.library.hits import Hit
from soundseek.metrics.dcase.tables import open_table
from soundseek.metrics.retrieval import Positions, mean, per_query

WEIGHTS = (0.1, 0.2, 0.3, 0.5)
_NOTHING = np.empty(0, np.int64)


def main() -> None:
    """Ask all queries in every way and print a table."""
    parser = argparse.ArgumentParser(description="Measure captions in a search.")
    parser.add_argument("library", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--names", action="store_true", help="let names and tags count as well")
    parser.add_argument("--limit", type=int, help="the first so many queries only")
    options = parser.parse_args()
    wanted = _queries(options.queries, options.limit)
    with Library.open(options.library, read_only=True) as library:
        print(f"{len(wanted)} queries, {library.status().captioned} clips with captions")
        _remember_texts(library)
        print(f"{'':<22} {'R@10':>22} {'mAP@10':>22} {'difference':>24}")
        alone = None
        for label, weight, words, meaning in _ways(options.names):
            with _only(words=words, meaning=meaning, by_name=options.names):
                hits = library.search_many(
                    list(wanted), k=10, captions_weight=weight, generated_captions=True
                )
            each = per_query(_positions(hits, list(wanted.values())), ks=(10,), map_ks=(10,))
            alone = each["mAP@10"] if alone is None else alone
            cells = [_shown(each["R@10"]), _shown(each["mAP@10"])]
            cells.append(_shown(each["mAP@10"] - alone, signed=True))
            print(f"{label:<22} {cells[0]:>22} {cells[1]:>22} {cells[2]:>24}", flush=True)


def _ways(by_name: bool) -> Iterator[tuple[str, float, bool, bool]]:
    """Yield what to call it, the weight, whether words count, whether the meaning does."""
    yield ("sound and names" if by_name else "sound alone"), 0.0, False, False
    yield "words", 0.1, True, False
    for weight in WEIGHTS:
        yield f"meaning {weight}", weight, False, True
    for weight in WEIGHTS:
        yield f"both {weight}", weight, True, True


@contextmanager
def _only(*, words: bool, meaning: bool, by_name: bool) -> Iterator[None]:
    """Switch parts of the search off."""
    off: list[tuple[object, str, Callable[..., object]]] = []
    if not words:
        nothing = (_NOTHING, _NOTHING)
        off.append((caption_search.CaptionTable, "clips_with", lambda *_: nothing))
    if not meaning:
        off.append((search, "with_captions", lambda scores, *_: scores))
    if not by_name:
        off.append((names, "_clips_with", lambda *_: _NOTHING))
    with ExitStack() as stack:
        for owner, name, instead in off:
            stack.enter_context(mock.patch.object(owner, name, instead))
        yield


def _queries(table: Path, limit: int | None) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = defaultdict(set)
    with open_table(table) as rows:
        query, path = rows.header.index("query"), rows.header.index("path")
        for _, cells in rows:
            wanted[cells[query]].add(cells[path])
    return dict(list(wanted.items())[:limit])


def _remember_texts(library: Library) -> None:
    """Read every text once, however often it is asked."""
    known: dict[str, Any] = {}
    read = library.bundle.encode_text

    def encode(texts: Sequence[str]) -> Any:
        new = [text for text in texts if text not in known]
        known.update(zip(new, read(new), strict=True) if new else ())
        return np.stack([known[text] for text in texts])

    mock.patch.object(library.bundle, "encode_text", encode).start()


def _positions(answers: Sequence[list[Hit]], relevant: Sequence[set[str]]) -> Positions:
    places = np.full((len(answers), max(map(len, relevant))), np.inf)
    for row, hits, paths in zip(places, answers, relevant, strict=True):
        found = [hit.rank for hit in hits if _is_any(hit, paths)]
        row[: len(found)] = found[: len(row)]
    return Positions(places, np.array([len(paths) for paths in relevant]))


def _is_any(hit: Hit, paths: set[str]) -> bool:
    return any(
        f"/{known}".endswith(f"/{path.lstrip('/')}")
        for known in (hit.path, *hit.also)
        for path in paths
    )


def _shown(values: Any, *, signed: bool = False) -> str:
    metric = mean(values)
    low, high = metric.ci95 or (float("nan"), float("nan"))
    sign = "+" if signed else ""
    return f"{100 * metric.value:{sign}.2f} [{100 * low:{sign}.2f}, {100 * high:{sign}.2f}]"


if __name__ == "__main__":
    main()
