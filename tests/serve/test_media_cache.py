"""The cache of derived media: whole entries, bounded, shared by threads and processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from soundseek.serve.media_cache import MediaCache


def writes(content: bytes) -> Callable[[BinaryIO], None]:
    return lambda out: (out.write(content), None)[1]


def never(out: BinaryIO) -> None:
    raise AssertionError("made again")


def get(cache: MediaCache, *parts: object, write: Callable[[BinaryIO], None] = never) -> bytes:
    with cache.opened("bin", *parts, write=write) as handle:
        return handle.read()


def test_what_was_made_is_found_again(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path / "new" / "folder", 1000)
    assert cache.found("bin", "a", 1) is None
    assert get(cache, "a", 1, write=writes(b"one")) == b"one"
    assert get(cache, "a", 1) == b"one"
    assert get(MediaCache(cache.folder, 1000), "a", 1) == b"one"


def test_kind_and_parts_tell_entries_apart(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path, 1000)
    get(cache, "a", "b", write=writes(b"1"))
    get(cache, "ab", write=writes(b"2"))
    with cache.opened("txt", "ab", write=writes(b"3")) as handle:
        assert handle.read() == b"3"
    assert (get(cache, "a", "b"), get(cache, "ab")) == (b"1", b"2")


def test_names_say_nothing_and_lead_nowhere(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path / "cache", 1000)
    get(cache, "../../outside", write=writes(b"1"))
    (entry,) = cache.folder.iterdir()
    assert entry.suffix == ".bin"
    assert "outside" not in entry.name


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path, 1000)

    def fails(out: BinaryIO) -> None:
        out.write(b"half")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        cache.opened("bin", "a", write=fails)
    assert list(tmp_path.iterdir()) == []
    assert get(cache, "a", write=writes(b"whole")) == b"whole"


def test_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path, 1000)
    for number in range(9):
        get(cache, number, write=writes(bytes(100)))
        (new,) = (path for path in tmp_path.iterdir() if path.stat().st_mtime > 1000)
        os.utime(new, (number, number))
    get(cache, 0)  # used: no longer the oldest
    get(cache, "large", write=writes(bytes(300)))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000
    gone = [number for number in range(9) if not is_there(cache, number)]
    assert gone == [1, 2, 3]
    assert is_there(cache, "large")


def is_there(cache: MediaCache, *parts: object) -> bool:
    handle = cache.found("bin", *parts)
    if handle is not None:
        handle.close()
    return handle is not None


def test_an_entry_larger_than_the_cache_is_served_all_the_same(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path, 10)
    assert get(cache, "a", write=writes(bytes(100))) == bytes(100)


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be deleted there")
def test_what_is_lent_outlives_its_name(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path, 10)
    with cache.opened("bin", "a", write=writes(b"lent")) as handle:
        for path in tmp_path.iterdir():
            path.unlink()
        assert handle.read() == b"lent"


def test_an_empty_entry_is_none(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path, 1000)
    get(cache, "a", write=writes(b"x"))
    next(tmp_path.iterdir()).write_bytes(b"")
    assert get(cache, "a", write=writes(b"again")) == b"again"


def test_half_written_files_of_the_dead_are_cleared(tmp_path: Path) -> None:
    old, young = tmp_path / "a.bin.1.aa.part", tmp_path / "b.bin.2.bb.part"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    get(MediaCache(tmp_path, 1000), "a", write=writes(b"x"))
    assert (old.exists(), young.exists()) == (False, True)


def test_threads_make_an_entry_once(tmp_path: Path) -> None:
    cache = MediaCache(tmp_path, 1000)
    made: list[int] = []
    barrier = threading.Barrier(8)
    got: list[bytes] = []

    def slow(out: BinaryIO) -> None:
        made.append(1)
        time.sleep(0.05)
        out.write(b"once")

    def ask() -> None:
        barrier.wait()
        got.append(get(cache, "a", write=slow))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [b"once"] * 8
    assert made == [1]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no such permissions")
def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    cache = MediaCache(blocked / "cache", 1000)
    assert get(cache, "a", write=writes(b"1")) == b"1"
    assert get(cache, "a", write=writes(b"2")) == b"2"


PROCESS = """
import sys
from pathlib import Path
from soundseek.serve.media_cache import MediaCache
cache = MediaCache(Path(sys.argv[1]), 5_000)
for turn in range(40):
    for number in range(8):
        content = bytes([number]) * 1000
        with cache.opened("bin", number, write=lambda out: (out.write(content), None)[1]) as handle:
            assert handle.read() == content, number
"""


def test_processes_share_a_folder(tmp_path: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert not list(tmp_path.glob("*.part"))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 6_000
