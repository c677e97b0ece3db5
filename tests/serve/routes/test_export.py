"""Clips taken away as a table, a playlist or a ZIP."""

from __future__ import annotations

import csv
import io
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from soundseek.library import Library

EXPORT = "/api/v1/export"


def _exported(client: TestClient, kind: str, ids: list[str]) -> bytes:
    answer = client.post(EXPORT, json={"format": kind, "ids": ids})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="sounds.{kind}"'
    return answer.content


def _rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_a_table_in_the_order_asked_for(
    client: TestClient, ids: dict[str, str], sounds: Path
) -> None:
    names = ["machines/siren.wav", "doorbell é ✓.wav"]
    rows = _rows(_exported(client, "csv", [ids[name] for name in names]))
    assert [row["path"] for row in rows] == [str(sounds / name) for name in names]
    assert rows[0]["format"] == "wav"
    assert float(rows[0]["duration_s"]) > 0


def test_a_playlist(client: TestClient, ids: dict[str, str], sounds: Path) -> None:
    lines = _exported(client, "m3u", [ids["weather/wind.flac"]]).split(b"\n")
    assert lines[0] == b"#EXTM3U"
    assert lines[1].startswith(b"#EXTINF:4,wind.flac")
    assert lines[2] == os.fsencode(sounds / "weather/wind.flac")


def test_a_zip_has_the_sounds_a_list_and_whom_to_name(
    client: TestClient, ids: dict[str, str], sounds: Path
) -> None:
    archive = zipfile.ZipFile(io.BytesIO(_exported(client, "zip", list(ids.values()))))
    assert archive.testzip() is None
    rows = _rows(archive.read("list.csv"))
    assert len(rows) == len(ids)
    for row in rows:
        assert row["problem"] == ""
        assert archive.read(row["file"]) == Path(row["path"]).read_bytes()
        assert row["file"] in archive.read("ATTRIBUTION.txt").decode()


def test_names_that_clash_are_changed_and_what_is_gone_is_listed(
    served, sounds: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    for number, name in enumerate(("a/x.wav", "b/X.wav", "c/list.csv.wav", "d/x.wav", "e:f.wav")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        source = sorted(sounds.rglob("*.wav"))[number % 4]
        shutil.copy(source, folder / name)
        with (folder / name).open("ab") as file:
            file.write(bytes(number))  # other content, the same sound
    with Library.open(tmp_path / "library", create=True) as library:
        library.index([folder], threads=1)
    (folder / "d/x.wav").unlink()
    with zipfile.ZipFile(
        io.BytesIO(_exported(served(tmp_path / "library"), "zip", list("12345")))
    ) as archive:
        rows = {
            row["path"].removeprefix(f"{folder}/"): row for row in _rows(archive.read("list.csv"))
        }
        assert rows["a/x.wav"]["file"] == "x.wav"
        assert rows["b/X.wav"]["file"] == "X (2).wav"
        assert rows["e:f.wav"]["file"] == "e_f.wav"
        assert rows["d/x.wav"]["file"] == ""
        assert "No such file" in rows["d/x.wav"]["problem"]
        assert len(archive.namelist()) == 4 + 2


def test_clips_that_were_forgotten_are_left_out(client: TestClient, ids: dict[str, str]) -> None:
    rows = _rows(_exported(client, "csv", ["99999", ids["weather/rain.wav"], "99999"]))
    assert len(rows) == 1
    assert client.post(EXPORT, json={"format": "csv", "ids": ["99999"]}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"format": "csv", "ids": []},
        {"format": "exe", "ids": ["1"]},
        {"format": "csv", "ids": ["../x"]},
        {"format": "csv", "ids": [1]},
        {"format": "csv", "ids": ["9" * 30]},
        {"format": "csv"},
    ],
)
def test_what_makes_no_sense_is_refused(client: TestClient, body: dict) -> None:
    assert client.post(EXPORT, json=body).status_code == 422


def test_too_much_at_once(served, ids: dict[str, str]) -> None:
    body = {"format": "zip", "ids": list(ids.values())}
    answer = served(max_export_bytes=1000).post(EXPORT, json=body)
    assert (answer.status_code, "1,000 are the limit" in answer.json()["detail"]) == (413, True)
    assert served(max_export_sounds=2).post(EXPORT, json=body).status_code == 413
