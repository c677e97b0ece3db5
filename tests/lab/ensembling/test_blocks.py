from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from soundseek.lab.ensembling.blocks import read_block, rows_at_once, spans


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_a_mapped_file_are_those_of_the_matrix(tmp_path: Path, dtype: type) -> None:
    matrix = np.random.default_rng(0).random((7, 3)).astype(dtype)
    np.save(tmp_path / "a.npy", matrix)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    for start, stop in ((0, 7), (2, 5), (6, 7)):
        block = read_block(mapped, start, stop)
        assert not isinstance(block, np.memmap)
        assert block.dtype == np.float32
        assert np.array_equal(block, matrix[start:stop].astype(np.float32))
        assert np.array_equal(read_block(matrix, start, stop), block)


def test_columns_first_and_views_are_read_right(tmp_path: Path) -> None:
    matrix = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    np.save(tmp_path / "a.npy", np.asfortranarray(matrix))
    assert np.array_equal(read_block(np.load(tmp_path / "a.npy", mmap_mode="r"), 1, 3), matrix[1:3])
    np.save(tmp_path / "b.npy", matrix)
    part = np.load(tmp_path / "b.npy", mmap_mode="r")[2:]
    assert np.array_equal(read_block(part, 0, 1), matrix[2:3])


def test_spans_cover_every_row_once() -> None:
    assert list(spans(7, 3)) == [(0, 3), (3, 6), (6, 7)]
    assert list(spans(0, 3)) == []
    assert rows_at_once(10**9) == 1
    assert rows_at_once(1045, 42) < rows_at_once(1045)
