"""Vectors in memory follow the database, through a cache file or without."""

from __future__ import annotations

import math
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


def _by_clip(table: WindowTable, scores: np.ndarray) -> dict[int, float]:
    return {
        int(clip_id): float(score)
        for clip_id, score, live in zip(table.clip_ids, scores, table.live, strict=True)
        if live
    }


def _naive(
    database: Database, vector: np.ndarray, hop_s: float
) -> tuple[dict[int, float], dict[int, float]]:
    """Return the score and the whole's cosine of each clip, with plain loops."""
    clips, wholes = {}, {}
    for clip_id, valid, windows in database.query("SELECT id, valid, windows FROM clips"):
        rows = [
            [float(value) for value in row]
            for row in np.frombuffer(windows, np.float16).reshape(-1, DIMENSION)
        ]
        lengths = [int(length) for length in np.frombuffer(valid, np.uint32)]
        query = [float(value) for value in vector]
        best = max(sum(a * b for a, b in zip(row, query, strict=True)) for row in rows)
        mean = [
            sum(length * row[place] for length, row in zip(lengths, rows, strict=True))
            for place in range(DIMENSION)
        ]
        norm = math.sqrt(sum(value**2 for value in mean))
        whole = sum(a * b for a, b in zip(mean, query, strict=True)) / norm
        share = 0.5 * min(1, 30 / (len(rows) * hop_s))
        clips[clip_id] = (1 - share) * min(1, best) + share * whole
        wholes[clip_id] = whole
    return clips, wholes


def _assert_up_to_date(kept: LibraryVectors, database: Database) -> None:
    for vector in np.eye(DIMENSION, dtype=np.float32):
        table = kept.table()
        scores = table.scores(vector)
        for hop_s in (1.0, 20.0):
            clips, wholes = _naive(database, vector, hop_s)
            found = _by_clip(table, table.clip_scores(scores, hop_s))
            assert found.keys() >= clips.keys()
            assert {key: found[key] for key in clips} == pytest.approx(clips, abs=1e-5)
        found = _by_clip(table, table.whole_scores(scores))
        assert {key: found[key] for key in wholes} == pytest.approx(wholes, abs=1e-5)


def _set_lengths(database: Database, rng: np.random.Generator) -> None:
    """Give every window of the library another number of valid samples."""
    with database.transaction() as connection:
        for clip_id, count in database.query("SELECT id, n_windows FROM clips"):
            valid = rng.integers(1, 1000, count).astype("<u4").tobytes()
            connection.execute("UPDATE clips SET valid = ? WHERE id = ?", (valid, clip_id))


def test_an_empty_library_has_an_empty_table(database: Database, tmp_path: Path) -> None:
    table = LibraryVectors(database, tmp_path / "cache").table()
    scores = table.scores(unit(np.ones(DIMENSION)))
    assert scores.shape == table.clip_scores(scores, 1.0).shape == (0,)
    assert table.whole_scores(scores).shape == (0,)


def test_a_small_library_needs_no_file(database: Database, tmp_path: Path) -> None:
    add_clips(database, [_random(np.random.default_rng(0), "a", 3)])
    _assert_up_to_date(LibraryVectors(database, tmp_path / "cache"), database)
    assert not (tmp_path / "cache").exists()


def test_windows_count_by_how_much_of_them_is_sound(database: Database, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    add_clips(database, [_random(rng, str(count), count) for count in (1, 2, 5, 40)])
    _set_lengths(database, rng)
    _assert_up_to_date(LibraryVectors(database, tmp_path / "cache"), database)


def test_scores_are_never_above_1(database: Database, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = [_random(rng, str(number), 1 + number % 3) for number in range(200)]
    add_clips(database, clips)
    table = LibraryVectors(database, tmp_path / "cache").table()
    for clip in clips:
        # Rounded to half precision, the whole's vector may be longer than 1.
        scores = table.scores(unit(unit(clip.windows).mean(0)))
        assert table.clip_scores(scores, 1.0).max() <= 1
        assert table.whole_scores(scores).max() <= 1


def test_windows_that_cancel_out_have_no_whole(database: Database, tmp_path: Path) -> None:
    add_clips(database, [Clip([1, 0, 0, 0], ["/s/a.wav"])])
    with database.transaction() as connection:
        windows = np.array([[1, 0, 0, 0], [-1, 0, 0, 0]], "<f2").tobytes()
        valid = np.array([7, 7], "<u4").tobytes()
        connection.execute("UPDATE clips SET n_windows = 2, windows=?, valid=?", (windows, valid))
    table = LibraryVectors(database, tmp_path / "cache").table()
    scores = table.scores(np.array([1, 0, 0, 0], np.float32))
    assert table.whole_scores(scores).tolist() == [0.0]
    assert table.clip_scores(scores, 1.0).tolist() == [0.5]


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
def test_a_cache_of_an_older_layout_is_replaced(database: Database, tmp_path: Path) -> None:
    add_clips(database, [_random(np.random.default_rng(0), "a", 3)])
    _assert_up_to_date(LibraryVectors(database, tmp_path / "cache"), database)
    path = tmp_path / "cache" / CACHE_FILE
    new = path.read_bytes()
    path.write_bytes(_without_weights(new, 3))
    _assert_up_to_date(LibraryVectors(database, tmp_path / "cache"), database)
    assert path.read_bytes() == new


def _without_weights(content: bytes, windows: int) -> bytes:
    """Return a cache file as it was before there were weights in it."""
    vectors_end = 128 + windows * DIMENSION * 2
    weights_end = vectors_end + -(-windows * 4 // 8) * 8
    return b"sndkwin1" + content[8:vectors_end] + content[weights_end:]


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
    with pytest.raises(LibraryError, match=f"clip {clip_id} .* damaged vectors"):
        LibraryVectors(database, tmp_path / "cache").table()


@pytest.mark.parametrize(
    "lengths", [b"", "text", bytes(range(1, 9)), np.array([5, 0, 5], "<u4").tobytes()]
)
def test_damaged_lengths_are_named(
    database: Database, tmp_path: Path, lengths: bytes | str
) -> None:
    (clip_id,) = add_clips(database, [_random(np.random.default_rng(0), "a", 3)])
    with database.transaction() as connection:
        connection.execute("UPDATE clips SET valid = ?", (lengths,))
    with pytest.raises(LibraryError, match=f"clip {clip_id} .* damaged lengths of windows"):
        LibraryVectors(database, tmp_path / "cache").table()
