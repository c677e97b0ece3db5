"""Where a study's trials are kept: a SQLite file, or a database that several machines share."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import exc

from soundseek.errors import DataError

DATABASE: Final = "study.db"
_BUSY_S: Final = 60.0
_TRIES: Final = 5
_POSTGRES: Final = "postgresql+psycopg://USER@HOST/DATABASE"


def open_storage(url: str | None, folder: Path) -> RDBStorage:
    """The database at an SQLAlchemy URL, or the SQLite file in the study's folder.

    Raises `DataError` for a URL that is none, a missing driver, a server that does not answer.
    """
    optuna.logging.set_verbosity(logging.ERROR)
    if url is None:
        file = folder / DATABASE
        folder.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{file}"
    shown = _without_password(url)
    for left in reversed(range(_TRIES)):
        try:
            with told_as_error(shown):
                if url.startswith("sqlite"):
                    _write_ahead(url)
                return RDBStorage(url, engine_kwargs=_settings(url))
        except DataError as error:
            # Two that begin at once may both make the tables, of which one succeeds.
            raced = isinstance(error.__cause__, exc.IntegrityError | exc.ProgrammingError)
            locked = "locked" in error.message or "already exists" in error.message
            if left == 0 or not (raced or locked):
                raise
            time.sleep(0.2)
    raise AssertionError("unreachable")


@contextmanager
def told_as_error(where: str) -> Iterator[None]:
    """Turn what a database complains of into `DataError`."""
    try:
        yield
    except (ImportError, exc.NoSuchModuleError) as error:
        raise DataError(
            f"the storage {where} needs a driver that is not here: {error.__cause__ or error}",
            remedy=f"write {_POSTGRES}, with pip install 'soundseek[postgres]'",
        ) from error
    except exc.ArgumentError as error:
        raise DataError(
            f"the storage {where!r} is no database URL", remedy=f"write {_POSTGRES}"
        ) from error
    except (exc.SQLAlchemyError, StorageInternalError, sqlite3.Error) as error:
        cause = getattr(error, "orig", None) or error.__cause__ or error
        raise DataError(
            f"the storage {where} does not work: {str(cause).strip()}",
            remedy="check that the server answers and who may write there, then run the command "
            "again: it goes on where it was",
        ) from error


def _settings(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": _BUSY_S}}
    return {"pool_pre_ping": True}


def _write_ahead(url: str) -> None:
    """Let others read while one writes; the file keeps this setting."""
    database = sqlalchemy.make_url(url).database
    if database:
        connection = sqlite3.connect(database, timeout=_BUSY_S)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()


def _without_password(url: str) -> str:
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except exc.ArgumentError:
        return url
