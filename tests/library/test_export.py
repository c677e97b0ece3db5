"""The whole library as one file."""

from __future__ import annotations

import csv
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from soundseek.errors import LibraryError
from soundseek.library.database import Database
from soundseek.library.export import export_library
from support.vector_library import Clip, add_clips, new_database

PATHS = ["/s/a.wav", '/s/a, "copy"\n2.wav', "/s/gone.wav", "/s/\udcff.wav", "/s/雨.wav"]


@pytest.fixture
def database(tmp_path: Path):
    database = new_database(tmp_path / "library", 3)
    add_clips(
        database,
        [
            Clip([1, 0, 0], PATHS[:2], tags=["wet", "loop"], duration_s=2.5),
            Clip([0, 1, 0], [PATHS[2]], state="missing"),
            Clip([0, 0, 1], [PATHS[3]]),
            Clip([1, 1, 0], [PATHS[4]]),
        ],
    )
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO files (path, size, mtime_ns, state, reason, indexed_at)"
            " VALUES (?, 1, 1, 'failed', 'is empty (0 bytes)', '2026-01-01')",
            (b"/s/bad.wav",),
        )
    yield database
    database.close()


def _expected_paths() -> list[str]:
    return sorted([*PATHS[:3], "/s/\\udcff.wav", PATHS[4], "/s/bad.wav"])


def test_csv(database: Database, tmp_path: Path) -> None:
    assert export_library(database, tmp_path / "out.csv") == 6
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert sorted(rows) == _expected_paths()
    assert rows["/s/a.wav"]["tags"] == "wet,loop"
    assert rows["/s/a.wav"]["duration_s"] == "2.5"
    assert len(rows["/s/a.wav"]["sha256"]) == 64
    assert rows["/s/gone.wav"]["state"] == "missing"
    assert rows["/s/bad.wav"]["reason"] == "is empty (0 bytes)"
    assert rows["/s/bad.wav"]["duration_s"] == ""


@pytest.mark.parametrize("file_format", ["json", "jsonl"])
def test_json(database: Database, tmp_path: Path, file_format: str) -> None:
    assert export_library(database, str(tmp_path / "out"), format=file_format) == 6
    text = (tmp_path / "out").read_text(encoding="utf-8")
    rows = (
        json.loads(text)
        if file_format == "json"
        else [json.loads(line) for line in text.splitlines()]
    )
    assert sorted(row["path"] for row in rows) == _expected_paths()
    by_path = {row["path"]: row for row in rows}
    assert by_path["/s/a.wav"]["tags"] == ["wet", "loop"]
    assert by_path["/s/bad.wav"]["sha256"] is None


def test_npz(database: Database, tmp_path: Path) -> None:
    assert export_library(database, tmp_path / "vectors", format="npz") == 4
    with np.load(tmp_path / "vectors") as content:
        assert content["vectors"].shape == (4, 3)
        assert content["vectors"].dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(content["vectors"], axis=1), 1, atol=1e-3)
        row = content["paths"].tolist().index("/s/雨.wav")
        np.testing.assert_allclose(content["vectors"][row], np.sqrt([0.5, 0.5, 0]), atol=1e-3)
        assert content["durations_s"].shape == content["sha256"].shape == (4,)


@pytest.mark.parametrize("file_format", ["csv", "json", "jsonl", "npz"])
def test_an_empty_library(tmp_path: Path, file_format: str) -> None:
    database = new_database(tmp_path / "library", 3)
    assert export_library(database, tmp_path / "out", format=file_format) == 0
    if file_format == "json":
        assert json.loads((tmp_path / "out").read_text()) == []
    if file_format == "npz":
        with np.load(tmp_path / "out") as content:
            assert content["vectors"].shape == (0, 3)
    database.close()


def test_replaces_a_file_and_leaves_nothing_else(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "x.csv").write_text("old")
    export_library(database, folder / "x.csv")
    assert (folder / "x.csv").read_text().startswith("path,")
    assert [path.name for path in folder.iterdir()] == ["x.csv"]


def test_what_cannot_be_written(database: Database, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="'xlsx'"):
        export_library(database, tmp_path / "out.xlsx", format="xlsx")
    with pytest.raises(LibraryError, match="cannot write"):
        export_library(database, tmp_path / "absent" / "out.csv")
    (tmp_path / "folder").mkdir()
    with pytest.raises(LibraryError, match="cannot write"):
        export_library(database, tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "library"]


def test_a_link_stays_a_link(database: Database, tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    export_library(database, tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("path,")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_written_into_and_not_replaced(database: Database, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    export_library(database, pipe)
    reader.join(timeout=10)
    assert received[0].startswith("path,")
    assert pipe.is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["library", "pipe"]
