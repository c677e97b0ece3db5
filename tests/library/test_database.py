from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundseek.errors import LibraryError
from soundseek.library.database import DATABASE_FILE, Database
from soundseek.library.schema import APPLICATION_ID


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Database.create(tmp_path, {"dimension": "32"}).close()
    return tmp_path


def test_create_then_open(folder: Path) -> None:
    database = Database.open(folder)
    assert database.meta() == {"dimension": "32", "schema_version": "2", "revision": "0"}
    assert database.query("PRAGMA application_id") == [(APPLICATION_ID,)]
    assert database.query("PRAGMA journal_mode") == [("wal",)]
    assert database.query("PRAGMA foreign_keys") == [(1,)]
    assert database.query("PRAGMA synchronous") == [(2,)]  # FULL
    database.close()


def test_create_finds_what_is_there(folder: Path) -> None:
    again = Database.create(folder, {"dimension": "64"})
    assert again.meta()["dimension"] == "32"
    again.close()


def test_a_creation_that_was_cut_short_counts_as_none(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / DATABASE_FILE)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert (tmp_path / DATABASE_FILE).stat().st_size > 0
    assert not Database.exists(tmp_path)
    with pytest.raises(LibraryError, match="there is no library"):
        Database.open(tmp_path)
    Database.create(tmp_path, {}).close()
    assert Database.exists(tmp_path)


def test_a_transaction_is_all_or_nothing(folder: Path) -> None:
    database = Database.open(folder)

    def fail() -> None:
        with database.transaction():
            database.next_revision()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert database.revision() == 0
    with database.transaction():
        assert database.next_revision() == 1
    assert database.revision() == 1
    database.close()


def test_readers_read_while_one_writes(folder: Path) -> None:
    writer, reader = Database.open(folder), Database.open(folder, read_only=True)
    with writer.transaction():
        writer.next_revision()
        assert reader.revision() == 0
    assert reader.revision() == 1
    with pytest.raises(LibraryError, match="can only be read"), reader.transaction():
        pass
    writer.close()
    reader.close()


def test_a_library_on_a_read_only_disk(folder: Path) -> None:
    # What a read-only disk does to SQLite: no helper file can be made beside the database.
    path = folder / DATABASE_FILE
    assert sorted(p.name for p in folder.iterdir()) == [DATABASE_FILE]
    copy = folder / "disk"
    copy.mkdir()
    shutil.copy(path, copy)
    (copy / f"{DATABASE_FILE}-shm").mkdir()  # cannot be opened, not even by root
    database = Database.open(copy, read_only=True)
    assert database.revision() == 0
    database.close()


def test_not_a_database(folder: Path) -> None:
    (folder / DATABASE_FILE).write_bytes(b"These are not the bytes of a database." * 200)
    with pytest.raises(LibraryError, match=r"is damaged: file is not a database\n.*--rebuild"):
        Database.open(folder)


def test_a_damaged_page_is_explained_when_it_is_met(folder: Path) -> None:
    path = folder / DATABASE_FILE
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(LibraryError, match=r"is damaged.*\n.*--rebuild"):
        Database.open(folder)


def test_a_database_of_something_else(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / DATABASE_FILE)
    connection.execute("CREATE TABLE meta (key, value)")
    connection.close()
    with pytest.raises(LibraryError, match="database of something else"):
        Database.open(tmp_path)
    with pytest.raises(LibraryError, match="database of something else"):
        Database.create(tmp_path, {})


@pytest.mark.parametrize(("version", "remedy"), [("3", "upgrade soundseek"), ("x", "--rebuild")])
def test_another_schema(folder: Path, version: str, remedy: str) -> None:
    database = Database.open(folder)
    with database.transaction():
        database.set_meta({"schema_version": version})
    database.close()
    with pytest.raises(LibraryError, match=rf"format '{version}'; .* up to 2\n.*{remedy}"):
        Database.open(folder)


def test_a_full_disk_is_explained_and_loses_nothing(folder: Path) -> None:
    database = Database.open(folder)
    (pages,) = database.query("PRAGMA page_count")[0]
    database.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with (
        pytest.raises(LibraryError, match=r"disk .* is full.*\n.*free some space"),
        database.transaction(),
    ):
        database.set_meta({f"key{n}": "x" * 4000 for n in range(50)})
    assert "key0" not in database.meta()
    with database.transaction():
        database.next_revision()
    database.close()


def test_mistakes_of_the_program_are_not_dressed_up(folder: Path) -> None:
    database = Database.open(folder)
    database.close()
    with pytest.raises(sqlite3.ProgrammingError):
        database.revision()


@pytest.fixture
def foreign_folder() -> Iterator[Path]:
    """A folder with an empty library that this process may read and not write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Database.create(folder, {"dimension": "32"}).close()
        (folder / DATABASE_FILE).chmod(0o444)
        folder.chmod(0o555)
        superuser = os.geteuid() == 0
        if superuser:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if superuser:
                os.seteuid(0)
            folder.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users as POSIX has them")
def test_the_library_of_somebody_else(foreign_folder: Path) -> None:
    database = Database.open(foreign_folder, read_only=True)
    assert database.revision() == 0
    assert [path.name for path in foreign_folder.iterdir()] == [DATABASE_FILE]
    database.close()
