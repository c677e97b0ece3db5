"""Libraries of version 1: read as they are, brought up to date where they can be written."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from soundseek.errors import LibraryError
from soundseek.library import Library
from soundseek.library.database import DATABASE_FILE, Database
from soundseek.library.schema import SCHEMA_VERSION, UPGRADES
from soundseek.library.search import Searcher
from support.captioning import FakeCaptioner
from support.vector_library import Clip, add_clips, new_database, table_model

# The tables as version 1 had them, word for word.
VERSION_1 = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE clips (
        id INTEGER PRIMARY KEY,
        content_hash BLOB NOT NULL UNIQUE,
        revision INTEGER NOT NULL,
        format TEXT NOT NULL,
        sample_rate INTEGER NOT NULL,
        channels INTEGER NOT NULL,
        duration_s REAL NOT NULL,
        n_windows INTEGER NOT NULL,
        valid BLOB NOT NULL,
        vector BLOB NOT NULL,
        windows BLOB NOT NULL)""",
    """CREATE TABLE files (
        id INTEGER PRIMARY KEY,
        path BLOB NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        clip_id INTEGER REFERENCES clips(id),
        state TEXT NOT NULL CHECK (state IN ('present', 'missing', 'failed')),
        reason TEXT,
        tags TEXT NOT NULL DEFAULT '',
        indexed_at TEXT NOT NULL)""",
    "CREATE INDEX clips_by_revision ON clips(revision, n_windows)",
    "CREATE INDEX files_of_clip ON files(clip_id)",
    "CREATE INDEX files_not_present ON files(state) WHERE state <> 'present'",
    """CREATE VIRTUAL TABLE names USING fts5(
        folder, name, tags, tokenize='porter unicode61 remove_diacritics 2')""",
)
TEXTS = {"rain": [1, 0, 0], "thunder": [0, 1, 0], "a storm": [0.2, 1, 0]}


def make_version_1(folder: Path, meta: dict[str, str]) -> None:
    """Write an empty library as version 1 did."""
    folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(folder / DATABASE_FILE)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA application_id = 1936614507")
    for statement in VERSION_1:
        connection.execute(statement)
    connection.executemany(
        "INSERT INTO meta VALUES (?, ?)",
        {**meta, "schema_version": "1", "revision": "0"}.items(),
    )
    connection.commit()
    connection.close()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The folder of a library of version 1 with two clips."""
    new_database(tmp_path / "new", 3).close()
    with Database.open(tmp_path / "new").connection as connection:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
    folder = tmp_path / "old"
    make_version_1(folder, {key: meta[key] for key in meta if key != "schema_version"})
    database = Database(folder / DATABASE_FILE, _plain(folder), read_only=False)
    add_clips(database, [Clip([1, 0, 0.1], ["/s/a.wav"]), Clip([0, 1, 0.1], ["/s/b.wav"])])
    database.close()
    return folder


def _plain(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / DATABASE_FILE, isolation_level=None)


def test_every_older_version_has_a_way_up() -> None:
    assert sorted(UPGRADES) == list(range(1, SCHEMA_VERSION))


def test_the_upgrade_keeps_all_and_makes_the_tables_of_a_new_library(
    old: Path, tmp_path: Path
) -> None:
    before = _plain(old).execute("SELECT * FROM clips").fetchall()
    database = Database.open(old)
    assert database.meta()["schema_version"] == str(SCHEMA_VERSION)
    assert database.revision() == 2
    assert database.query("SELECT * FROM clips") == before
    shape = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY name"
    assert database.query(shape) == Database.open(tmp_path / "new").query(shape)
    database.close()
    again = Database.open(old)
    assert again.revision() == 2  # once is enough
    again.close()


def test_read_only_it_stays_as_it_is_and_works(old: Path, tmp_path: Path) -> None:
    database = Database.open(old, read_only=True)
    assert database.meta()["schema_version"] == "1"
    assert not database.has_captions()
    hits = Searcher(database, table_model(TEXTS), tmp_path / "cache").search("rain")
    assert [(hit.path, hit.caption) for hit in hits] == [("/s/a.wav", None), ("/s/b.wav", None)]
    with Library(old, database, None) as library:
        assert library.status().captioned == 0
        assert library.captions("/s/a.wav") == []
        assert library.verify().problems[0].startswith("/s/a.wav")  # there are no such files
        assert library.export(tmp_path / "all.csv") == 2


def test_a_reader_of_version_1_goes_on_while_another_process_upgrades(
    old: Path, tmp_path: Path
) -> None:
    reader = Database.open(old, read_only=True)
    searcher = Searcher(reader, table_model(TEXTS), tmp_path / "cache")
    before = searcher.search("thunder")
    writer = Database.open(old)
    assert searcher.search("thunder") == before
    with Library(old, writer, table_model(TEXTS)) as library:  # type: ignore[arg-type]
        library.add_captions([("/s/a.wav", "a storm")])
        assert [hit.caption for hit in searcher.search("thunder")] == [None, "a storm"]
    reader.close()


def test_an_upgrade_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {1: (*UPGRADES[1], "CREATE TABLE captions (id)")}
    monkeypatch.setattr("soundseek.library.database.UPGRADES", broken)
    with pytest.raises(LibraryError):
        Database.open(old)
    assert Database.open(old, read_only=True).meta()["schema_version"] == "1"
    assert not _plain(old).execute("SELECT * FROM sqlite_master WHERE name = 'captions'").fetchall()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs users as POSIX has them")
def test_a_real_library_of_version_1_is_indexed_captioned_and_searched(
    tmp_path: Path, tiny_bundle: Path, sounds: Path
) -> None:
    with Library.open(tmp_path / "made", bundle=tiny_bundle, create=True) as library:
        meta = library.database.meta()
    make_version_1(tmp_path / "lib", {k: v for k, v in meta.items() if k[0] != "s" or k[1] == "a"})
    with Library.open(tmp_path / "lib", bundle=tiny_bundle) as library:
        assert library.index([sounds]).added == 5
        assert library.caption(FakeCaptioner(library.bundle.fingerprint)).captioned == 5
        assert library.search("low")[0].caption == "a sound of 1 windows"
        assert library.verify(deep=True).ok
        vectors = library.database.query("SELECT vector FROM captions")
        lengths = [np.linalg.norm(np.frombuffer(blob, "<f2")) for (blob,) in vectors]
        assert lengths == pytest.approx([1] * 5, abs=1e-2)
