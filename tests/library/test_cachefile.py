"""The file of derived vectors: what it gives back, and what it refuses."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.library.cachefile import CACHE_FILE, ClipWindows, open_cache, write_cache

OWNER = bytes(range(32))


def _clips(counts: list[int], dimension: int = 3) -> list[ClipWindows]:
    rng = np.random.default_rng(0)
    return [
        ClipWindows(
            7 * number + 1,
            rng.random((count, dimension)).astype(np.float16),
            rng.random(count).astype(np.float32),
        )
        for number, count in enumerate(counts)
    ]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=9), st.integers(1, 9))
def test_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], dimension: int
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    clips = _clips(counts, dimension)
    write_cache(folder, OWNER, dimension, 100, iter(clips))
    block = open_cache(folder, OWNER, dimension)
    assert block is not None
    np.testing.assert_array_equal(block.matrix, np.concatenate([clip.windows for clip in clips]))
    np.testing.assert_array_equal(block.weights, np.concatenate([clip.weights for clip in clips]))
    assert block.weights.dtype == np.float32
    assert block.clip_ids.tolist() == [clip.clip_id for clip in clips]
    assert block.counts.tolist() == counts
    assert block.revision == 100
    assert [path.name for path in folder.iterdir()] == [CACHE_FILE]


def test_vectors_are_mapped_and_read_only(tmp_path: Path) -> None:
    write_cache(tmp_path, OWNER, 3, 100, _clips([2, 1]))
    block = open_cache(tmp_path, OWNER, 3)
    assert block is not None
    assert isinstance(block.matrix, np.memmap)
    assert not block.matrix.flags.writeable


def test_no_file_is_no_cache(tmp_path: Path) -> None:
    assert open_cache(tmp_path, OWNER, 3) is None
    assert open_cache(tmp_path / "absent", OWNER, 3) is None


def test_another_library_or_dimension_is_no_cache(tmp_path: Path) -> None:
    write_cache(tmp_path, OWNER, 3, 100, _clips([2, 1]))
    assert open_cache(tmp_path, bytes(32), 3) is None
    assert open_cache(tmp_path, OWNER, 4) is None


@pytest.mark.parametrize("size", [0, 10, 100, 128, -1])
def test_a_cut_off_file_is_no_cache(tmp_path: Path, size: int) -> None:
    write_cache(tmp_path, OWNER, 3, 100, _clips([2, 1]))
    content = (tmp_path / CACHE_FILE).read_bytes()
    (tmp_path / CACHE_FILE).write_bytes(content[:size])
    assert open_cache(tmp_path, OWNER, 3) is None


def test_an_older_layout_is_no_cache(tmp_path: Path) -> None:
    write_cache(tmp_path, OWNER, 3, 100, _clips([2, 1]))
    content = (tmp_path / CACHE_FILE).read_bytes()
    assert content.startswith(b"sndkwin2")
    (tmp_path / CACHE_FILE).write_bytes(b"sndkwin1" + content[8:])
    assert open_cache(tmp_path, OWNER, 3) is None


def test_other_content_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / CACHE_FILE).write_bytes(os.urandom(4096))
    assert open_cache(tmp_path, OWNER, 3) is None
    write_cache(tmp_path, OWNER, 3, 100, _clips([2, 1]))
    content = bytearray((tmp_path / CACHE_FILE).read_bytes())
    content[-8] = 9  # the last clip's number of windows
    (tmp_path / CACHE_FILE).write_bytes(content)
    assert open_cache(tmp_path, OWNER, 3) is None


def test_an_interrupted_writer_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    write_cache(tmp_path, OWNER, 3, 100, _clips([2, 1]))

    def interrupted():
        yield from _clips([4])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_cache(tmp_path, OWNER, 3, 100, interrupted())
    block = open_cache(tmp_path, OWNER, 3)
    assert block is not None
    assert len(block.matrix) == 3
    assert [path.name for path in tmp_path.iterdir()] == [CACHE_FILE]


def test_what_killed_writers_left_is_removed_and_living_ones_are_not(tmp_path: Path) -> None:
    old, young = (tmp_path / f"{CACHE_FILE}{name}.part" for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    two_hours_ago = time.time() - 7200
    os.utime(old, (two_hours_ago, two_hours_ago))
    write_cache(tmp_path, OWNER, 3, 100, _clips([1]))
    assert not old.exists()
    assert young.exists()


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OSError, match="cache"):
        write_cache(tmp_path / "cache", OWNER, 3, 100, _clips([1]))
