"""library.db: opened, checked and kept consistent. The only truth; caches are derived from it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from soundseek.errors import LibraryError
from soundseek.library.schema import APPLICATION_ID, SCHEMA_VERSION, TABLES, UPGRADES

DATABASE_FILE = "library.db"
_BUSY_TIMEOUT_S = 10.0
_CACHE_KIB = 16_384


class Database:
    """A connection to a library's tables; see `schema` for what they hold.

    Readers see the last committed state and never wait for a writer. For one thread at a time.

    Attributes:
        path: the file.
        connection: autocommitting except inside `transaction`.
        read_only: whether `transaction` is refused.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, *, read_only: bool) -> None:
        """Use `Database.open` or `Database.create`."""
        self.path = path
        self.connection = connection
        self.read_only = read_only

    @classmethod
    def exists(cls, folder: Path) -> bool:
        """Whether there is a database in `folder`, be it sound or damaged.

        An empty one, left by a process that was killed while it made it, does not count.
        """
        path = folder / DATABASE_FILE
        if not path.is_file() or path.stat().st_size == 0:
            return False
        try:
            connection = _connected(path, read_only=True)
        except sqlite3.DatabaseError:
            return True
        try:
            return bool(_tables(connection))
        except sqlite3.DatabaseError:
            return True
        finally:
            connection.close()

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False) -> Database:
        """Open the library in `folder`; where it cannot be written, for reading only.

        One of an older version is brought up to date where it can be written, and read as it is
        otherwise. Raises LibraryError if there is none, it is damaged, or newer than this program.
        """
        path = folder / DATABASE_FILE
        if not cls.exists(folder):
            raise LibraryError(
                f"there is no library in {folder}",
                remedy=f"make one: soundseek index FOLDER --library {folder}",
            )
        read_only = read_only or not (os.access(path, os.W_OK) and os.access(folder, os.W_OK))
        with explained(path):
            database = cls(path, _connected(path, read_only), read_only=read_only)
            try:
                database._check()
                if not read_only:
                    database._upgrade()
            except BaseException:
                database.close()
                raise
        return database

    @classmethod
    def create(cls, folder: Path, meta: Mapping[str, str]) -> Database:
        """Make an empty library in `folder`, which must exist; `meta` is stored with it.

        Two processes may do so at once: the second finds what the first made. Raises LibraryError
        if the folder cannot be written.
        """
        path = folder / DATABASE_FILE
        with explained(path):
            connection = _connected(path, read_only=False)
            database = cls(path, connection, read_only=False)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                with database.transaction():
                    if not _tables(connection):
                        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                        for statement in TABLES:
                            connection.execute(statement)
                        values = {"schema_version": str(SCHEMA_VERSION), "revision": "0"}
                        database.set_meta({**meta, **values})
                database._check()
                database._upgrade()
            except BaseException:
                database.close()
                raise
        return database

    def close(self) -> None:
        """Give the file back; afterwards nothing but `close` may be called."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is committed at its end, or nothing is.

        Raises LibraryError if the disk is full, the file is damaged, or it is opened read-only.
        """
        if self.read_only:
            raise LibraryError(
                f"the library {self.path} can only be read",
                remedy="check the permissions of its folder",
            )
        with explained(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                # SQLite itself rolls back on a full disk, for one.
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def query(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT; raises LibraryError if the file is damaged or locked."""
        with explained(self.path):
            return self.connection.execute(statement, parameters).fetchall()

    def meta(self) -> dict[str, str]:
        """Return the table meta."""
        return dict(self.query("SELECT key, value FROM meta"))

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Store pairs in the table meta; call it inside a transaction."""
        self.connection.executemany(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            values.items(),
        )

    def revision(self) -> int:
        """Return a number that has grown whenever anything has been committed."""
        return int(self.query("SELECT value FROM meta WHERE key = 'revision'")[0][0])

    def next_revision(self) -> int:
        """Count a change: call it once inside each transaction; returns the new revision."""
        self.connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'revision'")
        return self.revision()

    def has_captions(self) -> bool:
        """Whether any caption is stored; a library of version 1 has no place for them."""
        return self._version() >= 2 and bool(self.query("SELECT 1 FROM captions LIMIT 1"))

    def _version(self) -> int:
        return int(self.query("SELECT value FROM meta WHERE key = 'schema_version'")[0][0])

    def _upgrade(self) -> None:
        """Bring the tables to the present version: in one step, or not at all."""
        if self._version() == SCHEMA_VERSION:
            return
        with self.transaction() as connection:
            # Read again: another process may have done it in the meantime.
            for version in range(self._version(), SCHEMA_VERSION):
                for statement in UPGRADES[version]:
                    connection.execute(statement)
            self.set_meta({"schema_version": str(SCHEMA_VERSION)})
            self.next_revision()

    def _check(self) -> None:
        (application,) = self.query("PRAGMA application_id")[0]
        if application != APPLICATION_ID or "meta" not in _tables(self.connection):
            raise LibraryError(
                f"{self.path} is a database of something else, not a soundseek library",
                remedy="choose another folder with --library",
            )
        version = self.meta().get("schema_version", "")
        if not version.isdecimal() or not 1 <= int(version) <= SCHEMA_VERSION:
            newer = version.isdecimal() and int(version) > SCHEMA_VERSION
            raise LibraryError(
                f"the library {self.path} has format {version!r}; this program reads up to "
                f"{SCHEMA_VERSION}",
                remedy="upgrade soundseek, or choose another library with --library"
                if newer
                else _REBUILD,
            )


_REBUILD = "make it anew from the sounds: soundseek index FOLDER --rebuild"


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def _connected(path: Path, read_only: bool) -> sqlite3.Connection:
    address = f"file:{quote(os.fsencode(path))}"
    if not read_only:
        return _tuned(f"{address}?mode=rwc", writable=True)
    try:
        return _tuned(f"{address}?mode=ro")
    except sqlite3.OperationalError:
        # WAL needs a helper file beside the database, which a read-only disk or a folder of
        # somebody else's refuses. While anyone writes, that file is there; so nobody does, and the
        # database may be read as it is.
        if path.with_name(path.name + "-wal").exists():
            raise
        return _tuned(f"{address}?mode=ro&immutable=1")


def _tuned(address: str, *, writable: bool = False) -> sqlite3.Connection:
    """Open the database at `address` and read from it, so that what is refused is refused here."""
    connection = sqlite3.connect(
        address,
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    pragmas = ["foreign_keys = ON", f"cache_size = -{_CACHE_KIB}"]
    if writable:  # where nothing can be written, even asking for this is refused
        # FULL: what is committed survives a power cut, not only the end of the process.
        pragmas.append("synchronous = FULL")
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file at `path` into LibraryError with a remedy."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            raise  # a mistake in this program, such as a closed connection
        raise _explanation(path, error, code) from error


def _explanation(path: Path, error: sqlite3.DatabaseError, code: int) -> LibraryError:
    kind = code & 0xFF  # the rest says more, such as which read failed
    if kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return LibraryError(f"the library {path} is damaged: {error}", remedy=_REBUILD)
    if kind == sqlite3.SQLITE_FULL:
        return LibraryError(
            f"the disk of the library {path} is full; everything committed so far is kept",
            remedy="free some space and run the same command again",
        )
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LibraryError(
            f"another process holds the library {path} for more than {_BUSY_TIMEOUT_S:.0f} s",
            remedy="wait until it is done, or stop it",
        )
    if kind in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return LibraryError(
            f"cannot open the library {path}: {error}",
            remedy="check the permissions of its folder, or choose another one with --library",
        )
    return LibraryError(
        f"the library {path} cannot be used: {error}",
        remedy="check the disk, then: soundseek library verify",
    )
