"""Vectors in memory follow the database, through a cache file or without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from soundseek.errors import LibraryError
from soundseek.library import vectors
from soundseek.library.cachefile import CACHE_FILE
from soundseek.library.database import Database
from soundseek.library.vectors import LibraryVectors, WindowTable
from support.vector_library import Clip, add_clips, new_database, unit

DIMENSION = 4


@pytest.fixture
def database(tmp_path: Path):
    database = new_database(tmp_path, DIMENSION)
    yield database
    database.close()


@pytest.fixture
def always_caching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_FEW_WINDOWS", 0)


def _random(rng: np.random.Generator, name: str, windows: int) -> Clip:
    return Clip(rng.standard_normal((windows, DIMENSION)), [f"/s/{name}.wav"])


def _best_by_clip(table: WindowTable, vector: np.ndarray) -> dict[int, float]:
    scores = table.best_of_clips(table.scores(vector))
    return {
        int(clip_id): float(score)
        for clip_id, score, live in zip(table.clip_ids, scores, table.live, strict=True)
        if live
    }


def _naive(database: Database, vector: np.ndarray) -> dict[int, float]:
    best = {}
    for clip_id, blob in database.query("SELECT id, windows FROM clips"):
        windows = np.frombuffer(blob, np.float16).reshape(-1, DIMENSION).astype(np.float64)
        best[clip_id] = float((windows @ vector.astype(np.float16).astype(np.float64)).max())
    return best


def _assert_up_to_date(kept: LibraryVectors, database: Database) -> None:
    for vector in unit(np.eye(DIMENSION)):
        found, naive = _best_by_clip(kept.table(), vector), _naive(database, vector)
        assert found.keys() >= naive.keys()
        assert {key: found[key] for key in naive} == pytest.approx(naive, abs=1e-5)


def test_an_empty_library_has_an_empty_table(database: Database, tmp_path: Path) -> None:
    table = LibraryVectors(database, tmp_path / "cache").table()
    scores = table.scores(unit(np.ones(DIMENSION)))
    assert scores.shape == table.best_of_clips(scores).shape == (0,)


def test_a_small_library_needs_no_file(database: Database, tmp_path: Path) -> None:
    add_clips(database, [_random(np.random.default_rng(0), "a", 3)])
    _assert_up_to_date(LibraryVectors(database, tmp_path / "cache"), database)
    assert not (tmp_path / "cache").exists()


def test_the_same_table_until_something_changes(database: Database, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    add_clips(database, [_random(rng, "a", 3)])
    kept = LibraryVectors(database, tmp_path / "cache")
    table = kept.table()
    assert kept.table() is table
    add_clips(database, [_random(rng, "b", 2)])
    assert kept.table() is not table


@pytest.mark.parametrize("few", [0, 6, 10_000])
def test_follows_additions_removals_and_reused_ids(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(vectors, "_FEW_WINDOWS", few)
    rng = np.random.default_rng(few)
    kept = LibraryVectors(database, tmp_path / "cache")
    for step in range(12):
        add_clips(database, [_random(rng, f"{step}-{n}", int(rng.integers(1, 5))) for n in "ab"])
        _assert_up_to_date(kept, database)
        if step % 3 == 2:
            with database.transaction() as connection:
                database.next_revision()
                # The newest goes, so that SQLite gives its id to the next one.
                newest, any_other = database.query("SELECT max(id), min(id) FROM clips")[0]
                for clip_id in (newest, any_other):
                    connection.execute("DELETE FROM names")
                    connection.execute("DELETE FROM files WHERE clip_id = ?", (clip_id,))
                    connection.execute("DELETE FROM clips WHERE id = ?", (clip_id,))
        # Another process that starts now sees the same.
        _assert_up_to_date(LibraryVectors(database, tmp_path / "cache"), database)
    assert (tmp_path / "cache" / CACHE_FILE).exists() is (few < 10_000)


@pytest.mark.usefixtures("always_caching")
def test_a_damaged_cache_is_replaced(database: Database, tmp_path: Path) -> None:
    add_clips(database, [_random(np.random.default_rng(0), "a", 3)])
    _assert_up_to_date(LibraryVectors(database, tmp_path / "cache"), database)
    path = tmp_path / "cache" / CACHE_FILE
    sound = path.read_bytes()
    path.write_bytes(sound[:-5])
    _assert_up_to_date(LibraryVectors(database, tmp_path / "cache"), database)
    assert path.read_bytes() == sound


@pytest.mark.usefixtures("always_caching")
def test_the_cache_of_another_library_is_not_taken(tmp_path: Path) -> None:
    first, second = (new_database(tmp_path / name, DIMENSION) for name in ("first", "second"))
    with second.transaction():
        second.set_meta({"created": "2026-01-01T00:00:00.000001+00:00"})
    rng = np.random.default_rng(0)
    for database in (first, second):
        add_clips(database, [_random(rng, "a", 3)])
    for database in (first, second, first):
        _assert_up_to_date(LibraryVectors(database, tmp_path / "cache"), database)
    first.close()
    second.close()


@pytest.mark.usefixtures("always_caching")
def test_where_no_file_can_be_written_vectors_stay_in_memory(
    database: Database, tmp_path: Path
) -> None:
    add_clips(database, [_random(np.random.default_rng(0), "a", 3)])
    (tmp_path / "cache").write_text("in the way")
    _assert_up_to_date(LibraryVectors(database, tmp_path / "cache"), database)


@pytest.mark.usefixtures("always_caching")
def test_a_full_disk_leaves_vectors_in_memory(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    add_clips(database, [_random(np.random.default_rng(0), "a", 3)])
    monkeypatch.setattr(vectors, "write_cache", full)
    _assert_up_to_date(LibraryVectors(database, tmp_path / "cache"), database)


@pytest.mark.usefixtures("always_caching")
def test_a_library_for_reading_only_writes_nothing(tmp_path: Path) -> None:
    database = new_database(tmp_path, DIMENSION)
    add_clips(database, [_random(np.random.default_rng(0), "a", 3)])
    database.close()
    database = Database.open(tmp_path, read_only=True)
    _assert_up_to_date(LibraryVectors(database, tmp_path / "cache"), database)
    assert not (tmp_path / "cache").exists()
    database.close()


def test_vectors_of_a_wrong_size_are_named(database: Database, tmp_path: Path) -> None:
    (clip_id,) = add_clips(database, [_random(np.random.default_rng(0), "a", 3)])
    with database.transaction() as connection:
        database.next_revision()
        connection.execute("UPDATE clips SET windows = x'00010203'")
    with pytest.raises(LibraryError, match=f"clip {clip_id} .* damaged"):
        LibraryVectors(database, tmp_path / "cache").table()
