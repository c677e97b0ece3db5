"""Pages of a ranking, sounds that are given as vectors, and searchers that share their tables."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from soundseek.errors import LibraryError, QueryError
from soundseek.library import Library, vectors
from soundseek.library.database import Database
from soundseek.library.search import Searcher
from soundseek.library.stored import clip_vector
from soundseek.library.tables import SearchTables
from support.vector_library import Clip, add_clips, new_database, table_model, unit

MODEL = table_model({"rain": [1, 0, 0, 0], "thunder": [0, 1, 0, 0]})


def _clips(rng: np.random.Generator, first: int, count: int) -> list[Clip]:
    words = ("rain", "thunder", "door")
    return [
        Clip(
            np.round(rng.standard_normal((1, 4)), 1),
            [f"/s/{words[number % 3]}_{number:03}.wav"],
            duration_s=float(number % 5 + 1),
        )
        for number in range(first, first + count)
    ]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = new_database(tmp_path / "library", 4)
    add_clips(made, _clips(np.random.default_rng(0), 0, 60))
    return made


@pytest.fixture
def searcher(database: Database, tmp_path: Path) -> Searcher:
    return Searcher(database, MODEL, tmp_path / "cache")


@pytest.mark.parametrize("hybrid", [True, False])
@pytest.mark.parametrize("size", [1, 7, 20])
def test_pages_fit_together(searcher: Searcher, hybrid: bool, size: int) -> None:
    options = {"hybrid": hybrid, "min_duration": 2.0, "without": "thunder"}
    every = searcher.search("rain", k=100, **options)
    pages = [
        searcher.page("rain", offset=offset, k=size, **options) for offset in range(0, 60, size)
    ]
    assert [hit for page in pages for hit in page.hits] == every
    assert {page.total for page in pages} == {len(every)} == {48}
    assert all(len(page.similarities) == 48 for page in pages)
    assert sorted(hit.similarity for hit in every) == sorted(pages[0].similarities.tolist())


def test_a_page_behind_the_end_is_empty(searcher: Searcher) -> None:
    page = searcher.page("rain", offset=60, k=5)
    assert (page.hits, page.total) == ((), 60)


def test_without_any_candidate_there_is_an_empty_page(searcher: Searcher) -> None:
    page = searcher.page("rain", formats=["mp3"])
    assert (page.hits, page.total, len(page.similarities)) == ((), 0, 0)


def test_a_negative_offset_is_refused(searcher: Searcher) -> None:
    with pytest.raises(QueryError, match="offset is -1"):
        searcher.search("rain", offset=-1)


def test_what_is_like_the_vector_of_a_clip_is_that_clip(
    searcher: Searcher, database: Database
) -> None:
    vector = clip_vector(database, "/s/door_005.wav")
    assert float(np.linalg.norm(vector)) == pytest.approx(1)
    assert searcher.search(like=vector, k=1)[0].path == "/s/door_005.wav"
    # Its length says nothing.
    assert searcher.search(like=7 * vector, k=1)[0].path == "/s/door_005.wav"


def test_a_vector_and_a_text_are_blended(database: Database, tmp_path: Path) -> None:
    blend = unit([1, 1, 0, 0])
    add_clips(database, [Clip(blend, ["/s/both.wav"])])
    searcher = Searcher(database, MODEL, tmp_path / "cache")
    options = {"like": np.array([0, 1, 0, 0], np.float32), "hybrid": False, "k": 1}
    assert searcher.search("rain", **options)[0].path == "/s/both.wav"
    alone = searcher.search("rain", like_weight=0.0, **options)[0]
    assert alone.path == searcher.search("rain", hybrid=False, k=1)[0].path


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.zeros(4, np.float32), "finite length"),
        (np.array([np.nan, 0, 0, 1], np.float32), "finite length"),
        (np.ones((1, 4), np.float32), "finite length"),
        (np.ones(3, np.float32), "has 3 values, those of this library 4"),
    ],
)
def test_a_vector_that_is_none_is_refused(
    searcher: Searcher, vector: np.ndarray, message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        searcher.search(like=vector)


def test_a_file_that_is_not_there_has_no_vector(database: Database) -> None:
    with pytest.raises(LibraryError, match="is not in the library"):
        clip_vector(database, "/s/none.wav")


def test_folders_as_bytes_are_not_looked_for_on_the_disk(
    database: Database, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to("/s")
    searcher = Searcher(database, MODEL, tmp_path / "cache")
    assert searcher.page("rain", folders=[link]).total == 60
    assert searcher.page("rain", folders=[str(link).encode()]).total == 0
    assert searcher.page("rain", folders=[b"/s"]).total == 60


def _reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how many clips' vectors are read from the database."""
    reads: list[int] = []
    whole = vectors.LibraryVectors._clip

    def counting(self, clip_id, *row):
        reads.append(clip_id)
        return whole(self, clip_id, *row)

    monkeypatch.setattr(vectors.LibraryVectors, "_clip", counting)
    return reads


def test_searchers_of_several_threads_read_vectors_once(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = _reads(monkeypatch)
    shared = SearchTables(writes_cache=False)
    found: list[list[str]] = []

    def work() -> None:
        own = Database.open(database.path.parent, read_only=True)
        searcher = Searcher(own, MODEL, tmp_path / "cache", shared)
        found.extend([hit.path for hit in searcher.search("rain", k=5)] for _ in range(5))
        own.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    expected = [
        hit.path for hit in Searcher(database, MODEL, tmp_path / "cache").search("rain", k=5)
    ]
    assert found == [expected] * 20
    assert len(reads) == 2 * 60  # once for the threads, once for the searcher above


def test_only_what_is_new_is_read_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = _reads(monkeypatch)
    searcher = Searcher(database, MODEL, tmp_path / "cache", SearchTables(writes_cache=False))
    searcher.search("rain")
    rng = np.random.default_rng(1)
    for step in range(5):
        del reads[:]
        ids = add_clips(database, _clips(rng, 100 + 3 * step, 3))
        assert searcher.page("rain").total == 63 + 3 * step
        assert reads == ids


def test_a_clip_that_went_meanwhile_is_left_out(database: Database, tmp_path: Path) -> None:
    searcher = Searcher(database, MODEL, tmp_path / "cache", SearchTables(patience_s=60.0))
    first, second, *_ = searcher.search("rain", hybrid=False)
    with database.transaction() as connection:
        database.next_revision()
        connection.execute(
            "UPDATE files SET state = 'missing' WHERE path = ?", (first.path.encode(),)
        )
    assert searcher.search("rain", hybrid=False)[0].path == second.path


def test_a_read_only_library_may_write_the_cache_where_it_is_told_to(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "_FEW_WINDOWS", 0)
    with Library.open(database.path.parent, read_only=True) as library:
        Searcher(library.database, MODEL, tmp_path / "cache").search("rain")
        assert not (tmp_path / "cache").exists()
        tables = SearchTables(writes_cache=True)
        Searcher(library.database, MODEL, tmp_path / "cache", tables).search("rain")
    assert (tmp_path / "cache" / "windows.cache").exists()
