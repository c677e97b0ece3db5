from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundseek.errors import DataError
from soundseek.lab.data.downloads import LEDGER, RemoteFile, fetch
from soundseek.lab.data.locking import folder_lock
from support.file_server import FileServer, serving

pytestmark = pytest.mark.lab

CONTENT = np.random.default_rng(0).bytes(1_500_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(CONTENT) as state:
        yield state


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    monkeypatch.setenv("no_proxy", "*")
    return []


def fetched(server: FileServer, folder: Path, waits: list[float], **options: Any) -> Path:
    checks = {key: options.pop(key) for key in ("sha256", "md5", "size") if key in options}
    file = RemoteFile(server.url, "file.bin", **checks)
    return fetch(file, folder, sleep=waits.append, timeout_s=5.0, **options)


def ledger(folder: Path) -> dict[str, Any]:
    return json.loads((folder / LEDGER).read_text())["files"]["file.bin"]


def left_over(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".downloads.lock"}


def test_a_file_is_fetched_verified_and_written_down(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    folder = tmp_path / "new" / "folder"
    path = fetched(server, folder, waits, sha256=SHA256, md5=MD5, size=len(CONTENT))
    assert path == folder / "file.bin"
    assert path.read_bytes() == CONTENT
    assert left_over(folder) == {"file.bin", LEDGER}
    entry = ledger(folder)
    assert (entry["sha256"], entry["md5"], entry["bytes"]) == (SHA256, MD5, len(CONTENT))
    assert entry["verified_by"] == ["sha256", "md5", "size"]
    assert entry["when"].endswith("+00:00")


def test_what_is_there_is_not_fetched_again(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    fetched(server, tmp_path, waits)
    fetched(server, tmp_path, waits)
    assert fetched(server, tmp_path, waits, offline=True).is_file()
    assert server.requests == [None]


def test_a_broken_connection_is_resumed(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    server.cuts = [600_000, 600_000]
    told: list[tuple[int, int | None]] = []
    path = fetched(server, tmp_path, waits, on_bytes=lambda *step: told.append(step))
    assert path.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=600000-", "bytes=1200000-"]
    assert waits == [1.0, 1.0]
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_a_killed_download_is_resumed_by_the_next(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    server.cuts = [500_000]
    with pytest.raises(DataError, match=r"500,000 of 1,500,000 bytes \(1 attempts\)"):
        fetched(server, tmp_path, waits, attempts=1)
    assert not (tmp_path / "file.bin").exists()
    assert fetched(server, tmp_path, waits).read_bytes() == CONTENT
    assert server.requests[-1] == "bytes=500000-"
    assert left_over(tmp_path) == {"file.bin", LEDGER}


def test_killed_between_the_last_byte_and_the_renaming(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    (tmp_path / "file.bin.partial").write_bytes(CONTENT)
    note = {"url": server.url, "validator": server.etag}
    (tmp_path / "file.bin.partial.json").write_text(json.dumps(note))
    assert fetched(server, tmp_path, waits, sha256=SHA256).read_bytes() == CONTENT
    assert server.requests == [f"bytes={len(CONTENT)}-"]


def test_a_piece_of_another_version_is_not_continued(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    server.cuts = [500_000]
    with pytest.raises(DataError):
        fetched(server, tmp_path, waits, attempts=1)
    server.content = CONTENT[::-1]
    assert fetched(server, tmp_path, waits).read_bytes() == CONTENT[::-1]


def test_a_file_that_became_shorter_begins_anew(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    server.cuts = [900_000]
    with pytest.raises(DataError):
        fetched(server, tmp_path, waits, attempts=1)
    server.content = CONTENT[:1000]
    assert fetched(server, tmp_path, waits).read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize("lacking", ["ranges", "validators"])
def test_servers_that_cannot_resume_begin_anew(
    server: FileServer, tmp_path: Path, waits: list[float], lacking: str
) -> None:
    setattr(server, lacking, False)
    server.cuts = [600_000]
    assert fetched(server, tmp_path, waits, sha256=SHA256).read_bytes() == CONTENT


def test_attempts_without_progress_are_the_end_and_wait_longer_each_time(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    server.statuses = [503] * 9
    with pytest.raises(DataError, match=r"HTTP 503 .*\(4 attempts\)\n.*put it at .*file\.bin"):
        fetched(server, tmp_path, waits, attempts=4)
    assert waits == [1.0, 2.0, 4.0]


def test_a_server_that_never_gets_further_is_given_up(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    server.validators = False
    server.cuts = [1000] * 99
    with pytest.raises(DataError, match="1,000 of"):
        fetched(server, tmp_path, waits, attempts=3)
    assert len(server.requests) == 3


def test_a_refusal_is_not_tried_again(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    server.statuses = [404]
    with pytest.raises(DataError, match=r"HTTP 404 .*\n.*put it at"):
        fetched(server, tmp_path, waits)
    assert (len(server.requests), waits) == (1, [])


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        ({"sha256": "0" * 64}, "SHA-256"),
        ({"md5": "0" * 32}, "MD5"),
        ({"size": 7}, "size 1500000, expected 7"),
    ],
)
def test_a_wrong_checksum_leaves_nothing_behind(
    server: FileServer, tmp_path: Path, waits: list[float], checks: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=f"arrived damaged: {said}"):
        fetched(server, tmp_path, waits, **checks)
    assert left_over(tmp_path) == set()


def test_a_damaged_older_piece_is_fetched_from_the_beginning(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    (tmp_path / "file.bin.partial").write_bytes(b"x" * 1000)
    note = {"url": server.url, "validator": server.etag}
    (tmp_path / "file.bin.partial.json").write_text(json.dumps(note))
    assert fetched(server, tmp_path, waits, sha256=SHA256).read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-", None]


def test_an_unknown_checksum_is_that_of_the_first_download(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    fetched(server, tmp_path, waits).unlink()
    assert ledger(tmp_path)["verified_by"] == ["recorded at first download"]
    server.content = CONTENT[::-1]
    with pytest.raises(DataError, match=rf"as first downloaded .*{SHA256}\n.*{LEDGER}"):
        fetched(server, tmp_path, waits)


def test_a_file_put_there_by_hand_is_taken_if_it_is_right(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    (tmp_path / "file.bin").write_bytes(CONTENT)
    fetched(server, tmp_path, waits, sha256=SHA256, offline=True)
    assert ledger(tmp_path)["how"] == "put there by hand"
    (tmp_path / "file.bin").write_bytes(b"something else")
    with pytest.raises(DataError, match="is not what was published: SHA-256"):
        fetched(server, tmp_path, waits, sha256=SHA256)


def test_a_file_of_another_version_is_told(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    fetched(server, tmp_path, waits)
    with pytest.raises(DataError, match="of another version"):
        fetched(server, tmp_path, waits, sha256="0" * 64)


def test_offline_says_what_is_missing_and_where_to_put_it(
    server: FileServer, tmp_path: Path, waits: list[float]
) -> None:
    with pytest.raises(DataError, match=rf"file\.bin is not there\n.*{server.url}.* put it at "):
        fetched(server, tmp_path, waits, offline=True)
    assert server.requests == []


def test_nobody_answers(tmp_path: Path, waits: list[float]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    file = RemoteFile(f"http://127.0.0.1:{port}/file.bin", "file.bin")
    with pytest.raises(DataError, match=r"refused.*\(2 attempts\)"):
        fetch(file, tmp_path, attempts=2, sleep=waits.append)


def test_only_web_addresses(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    with pytest.raises(DataError, match="no web address"):
        fetch(RemoteFile((tmp_path / "secret").as_uri(), "copy"), tmp_path)


@pytest.mark.parametrize("name", ["../up.bin", "a/b.bin", "", "..", LEDGER])
def test_names_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="is no name for"):
        fetch(RemoteFile("http://127.0.0.1/x", name), tmp_path)


def test_one_process_at_a_time(server: FileServer, tmp_path: Path, waits: list[float]) -> None:
    with (
        folder_lock(tmp_path, ".downloads.lock"),
        pytest.raises(DataError, match="another process"),
    ):
        fetched(server, tmp_path, waits)
    fetched(server, tmp_path, waits)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{broken", "is damaged"),
        ("[]", "is damaged"),
        ('{"schema_version": 9, "files": {}}', "later"),
    ],
)
def test_a_ledger_that_cannot_be_read(
    server: FileServer, tmp_path: Path, waits: list[float], content: str, said: str
) -> None:
    (tmp_path / LEDGER).write_text(content)
    with pytest.raises(DataError, match=said):
        fetched(server, tmp_path, waits)
