from __future__ import annotations

from pathlib import Path

import pytest

from soundseek.errors import DataError
from soundseek.lab.data.tables import first_existing, read_json, read_table

pytestmark = pytest.mark.lab


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        "name,text\né.wav,héard\n".encode(),
        "name,text\né.wav,héard\n".encode("utf-8-sig"),
        "name,text\né.wav,héard\n".encode("cp1252"),
        "name;text\r\né.wav;héard\r\n".encode(),
        "name\ttext\né.wav\théard\n".encode(),
    ],
)
def test_dialects(tmp_path: Path, content: bytes) -> None:
    assert read_table(written(tmp_path, content)) == [{"name": "é.wav", "text": "héard"}]


def test_cells_are_left_as_they_are(tmp_path: Path) -> None:
    content = 'name,text\n" Ambience Birds.wav","one, two\nthree"\n'
    (row,) = read_table(written(tmp_path, content))
    assert row == {"name": " Ambience Birds.wav", "text": "one, two\nthree"}


def test_line_separators_inside_a_cell_are_text(tmp_path: Path) -> None:
    (row,) = read_table(written(tmp_path, "name,text\na,one\u2028two\x85three\n"))
    assert row["text"] == "one\u2028two\x85three"


def test_a_short_row_is_filled_and_a_long_one_refused(tmp_path: Path) -> None:
    assert read_table(written(tmp_path, "a,b\n1\n")) == [{"a": "1", "b": ""}]
    with pytest.raises(DataError, match="line 3: more cells"):
        read_table(written(tmp_path, "a,b\n1,2\n1,2,3\n"))


def test_missing_columns_are_named_beside_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks the columns c, d\n.*it has a, b"):
        read_table(written(tmp_path, "a,b\n1,2\n"), ("a", "c", "d"))


def test_what_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no text file"):
        read_table(written(tmp_path, b"\xff\x81\x8d"))
    with pytest.raises(DataError, match=r"cannot read .*none\.csv"):
        read_table(tmp_path / "none.csv")


def test_broken_json(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"table\.csv: Expecting"):
        read_json(written(tmp_path, "{broken"))


def test_the_first_file_that_is_there(tmp_path: Path) -> None:
    written(tmp_path, "a\n")
    assert first_existing(tmp_path, ("x.csv", "table.csv"), "table") == tmp_path / "table.csv"
    with pytest.raises(DataError, match=r"has no list\n.*x\.csv, y\.csv"):
        first_existing(tmp_path, ("x.csv", "y.csv"), "list")
