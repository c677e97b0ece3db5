from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("optuna")

from soundseek.errors import DataError
from soundseek.lab.search.findings import findings
from soundseek.lab.search.storage import open_storage
from support.retrieval import silent

pytestmark = pytest.mark.lab

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", r"'nonsense' is no database URL\n.*postgresql\+psycopg"),
        (
            "nosuch://host/db",
            r"needs a driver that is not here: .*nosuch[\s\S]*soundseek\[postgres\]",
        ),
        ("mysql+oursql://host/db", "needs a driver that is not here"),
        ("sqlite:////nowhere/at/all.db", "does not work: unable to open"),
    ],
)
def test_a_storage_that_cannot_be(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_storage(url, tmp_path)


def test_a_server_that_does_not_answer_keeps_the_password_to_itself(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"postgresql+psycopg://me:secret@127.0.0.1:{port}/x"
    with pytest.raises(DataError, match=r"does not work: .*refused") as caught:
        open_storage(url, tmp_path)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("not a database, but a text of some length" * 50)
    with pytest.raises(DataError, match="not a database"):
        open_storage(None, tmp_path)


def test_the_file_lets_others_read_while_one_writes(tmp_path: Path) -> None:
    open_storage(None, tmp_path / "new").engine.dispose()
    with sqlite3.connect(tmp_path / "new" / "study.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database of a PostgreSQL server that is there for this test."""
    pytest.importorskip("psycopg")
    if not POSTGRES:
        pytest.skip("there is no PostgreSQL")
    import os
    import pwd
    import tempfile

    # The server refuses to run as root, and its socket's path must be short.
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    as_user: dict[str, Any] = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid}
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    bin_folder = POSTGRES[0]

    def call(*words: str) -> None:
        subprocess.run(words, check=True, capture_output=True, cwd=folder, timeout=60, **as_user)

    try:
        data = str(folder / "data")
        call(str(bin_folder / "initdb"), "-D", data, "-U", "me", "--auth=trust", "--no-sync")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen(
            [bin_folder / "postgres", "-D", data, "-p", str(port), "-k", str(folder), "-F"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            **as_user,
        )
        try:
            call(
                *("/bin/sh", "-c"),
                f"for i in $(seq 100); do {bin_folder}/pg_isready -q -h 127.0.0.1 -p {port} && "
                "exit 0; sleep 0.1; done; exit 1",
            )
            yield f"postgresql+psycopg://me@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_machines_share_a_study_in_postgresql(
    postgres: str, make_search: Callable[..., Any], quick: list[Any]
) -> None:
    one = make_search("machine-1", storage=postgres, name="shared")
    other = make_search("machine-2", storage=postgres, name="shared")
    one.run(silent, trials=3)
    with other.joined() as study:
        assert len(study.counted()) == 3
        running = study.begin(5)
        with one.joined() as also:
            assert also.begin(5).folder == "0004"
            assert also.begin(5) is None
            assert also.take_over() == 0
        study.give_up(running)
    other.run(silent, trials=5)
    with one.joined() as study:
        found = findings(study.study)
    assert [trial.folder for trial in found.complete if trial.folder == "0003"] == ["0003"]
    # It goes the way of a study in a file.
    alone = make_search("alone")
    alone.run(silent, trials=3)
    with alone.joined() as study:
        assert [dict(t.values) for t in findings(study.study).trials] == [
            dict(t.values) for t in found.trials[:3]
        ]
