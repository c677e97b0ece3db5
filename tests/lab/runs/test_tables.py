from __future__ import annotations

import csv
from pathlib import Path

import pytest

from soundseek.lab.runs.tables import markdown_table, write_csv, write_json

pytestmark = pytest.mark.lab


def test_a_table_in_markdown() -> None:
    text = markdown_table(("row", "n"), [["a|b", "1"]])
    assert text == "| row | n |\n| --- | ---: |\n| a\\|b | 1 |"


def test_rows_come_back_from_a_csv(tmp_path: Path) -> None:
    rows = [{"a": 'x, "y"\nz', "b": 0.1}, {"a": "ü", "b": None}]
    write_csv(tmp_path / "t.csv", rows, ["a", "b"])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [{"a": 'x, "y"\nz', "b": "0.1"}, {"a": "ü", "b": ""}]
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_what_is_not_finite_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not (tmp_path / "a.json").exists()
