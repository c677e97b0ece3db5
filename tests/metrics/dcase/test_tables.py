from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.metrics.dcase.tables import name_key, open_table, shown, text_key, written


def rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    with open_table(path) as table:
        return table.header, list(table)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_marks_and_line_ends(make, encoding: str, end: str) -> None:
    path = make("t.csv", "a, b", 'é,"1,2"', encoding=encoding, end=end)
    assert rows(path) == (["a", "b"], [(2, ["é", "1,2"])])


def test_rows_are_counted_as_a_spreadsheet_counts_them(make) -> None:
    path = make("t.csv", "a,b", '"over', 'two lines",1', "", "x,2")
    assert rows(path)[1] == [(2, ["over\ntwo lines", "1"]), (4, ["x", "2"])]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "is empty"),
        (["a;b", "1;2"], "holds no comma"),
        (["a,b", "1,2", "1,2,3"], "row 3: 3 cells, but the header has 2; the row begins with '1'"),
        (["a,b", "1"], "row 2: 1 cells"),
        (["a,b", '"1,2'], "is no CSV"),
        (["a,b", '"1"x,2'], "is no CSV"),
    ],
)
def test_what_is_no_table(make, lines: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        rows(make("t.csv", *lines))
    assert "t.csv" in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_other_encodings_are_refused(make, encoding: str) -> None:
    with pytest.raises(DataError, match=r"t\.csv is not in UTF-8: byte 0x"):
        rows(make("t.csv", "a,b", "é,1", encoding=encoding))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Scops owl&#39;s call.wav", "Scops owl's call.wav"),
        ("rock&amp;roll.wav", "rock&roll.wav"),
        ("rock & roll.wav ", "rock & roll.wav"),
        ("two  spaces.wav", "two  spaces.wav"),
        ("e\u0301.wav", "\u00e9.wav"),
    ],
)
def test_names_are_compared_without_entities(name: str, key: str) -> None:
    assert name_key(name) == key


@given(st.text())
def test_keys_are_stable_without_entities(text: str) -> None:
    text = text.replace("&", "")
    assert name_key(name_key(text)) == name_key(text)
    assert text_key(text_key(text)) == text_key(text)
    assert text_key(f"  {text}\n") == text_key(text)


def test_long_values_are_cut_in_messages() -> None:
    assert len(shown("x" * 1000)) < 100


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError), written(path) as file:
        file.write(f"half{1 / 0}")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with written(path) as file:
        file.write("whole")
    assert path.read_text() == "whole"


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"), written(tmp_path / "no" / "x"):
        pass
