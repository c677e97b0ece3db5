from __future__ import annotations

import csv
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from soundseek.metrics.dcase.numbers import decimals, plain_rows


def bits(values: list[float]) -> list[bytes]:
    return [struct.pack("d", value) for value in values]


written = st.one_of(
    st.floats().map(repr),
    st.floats(width=32).map(lambda x: str(np.float32(x))),
    st.floats(-2, 2, width=32).map(lambda x: str(np.float32(x))),
    st.integers(-(10**18), 10**18).map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.from_regex(r"[-+]?[0-9]{0,9}\.?[0-9]{1,9}", fullmatch=True),
    st.sampled_from(["-0", "-0.0", ".5", "5.", " 1.5", "1e5", "-inf", "000.100", "1_0"]),
)


@given(st.lists(written, min_size=1, max_size=30))
@example(["0.1", "999999999999999", "1234567890.12345", "-0.000000000000001"])
@example(["1", "123456789.123456789012345678901234567890"])
def test_numbers_are_those_of_float(texts: list[str]) -> None:
    found = decimals(",".join(texts).encode())
    assert bits(found.tolist()) == bits([float(text) for text in texts])


@pytest.mark.parametrize(
    "text", ["", ",", "1,,2", "1,x", "1.2.3,4", "1..........,1.5,2", "1-2,1", "-,1", ".,1", "--1"]
)
def test_what_float_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        decimals(text.encode())
    with pytest.raises(ValueError, match=r".*"):
        [float(part) for part in text.split(",")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(st.text('ab", ü\n\r', max_size=6), st.sampled_from(["1", "0.25", "x", "", '"'])),
        max_size=6,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_a_table_is_read_as_csv_reads_it_or_not_at_all(
    tmp_path: Path, rows: list[tuple[str, str]], end: str
) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator=end).writerows([("index", "a"), *rows])
    found = plain_rows(path, 1)
    if found is None:
        assert any(set(text) & set("\r\n") or not cell.isnumeric() for text, cell in rows)
        return
    with path.open(newline="", encoding="utf-8") as file:
        expected = [(i, row) for i, row in enumerate(csv.reader(file), 1) if row][1:]
    texts, numbers, values = found
    assert texts == [row[0] for _, row in expected]
    assert numbers == [number for number, _ in expected]
    assert values.tolist() == [[float(row[1])] for _, row in expected]


def test_many_blocks(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((500, 99)).astype(np.float32)
    lines = [f'"t, {i}",' + ",".join(map(str, row)) for i, row in enumerate(values)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["header", *lines]))
    found = plain_rows(path, 99)
    assert found is not None
    assert found[0][7] == "t, 7"
    assert np.array_equal(found[2].astype(np.float32), values)
    assert plain_rows(path, 98) is None


def test_infinities_are_scores(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("h\nx,inf,-inf,1")
    found = plain_rows(tmp_path / "t.csv", 3)
    assert found is not None
    assert found[2].tolist() == [[math.inf, -math.inf, 1.0]]
