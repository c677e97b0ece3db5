from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from soundseek.errors import LibraryError
from soundseek.library.lock import LOCK_FILE, writer_lock

_HOLD = """
import sys
from pathlib import Path
from soundseek.library.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(LibraryError, match=rf"another process \(pid {holder.pid}\)"),
            writer_lock(tmp_path),
        ):
            pass
        holder.kill()
        holder.wait()
        with writer_lock(tmp_path):  # the lock ends with the process, however it ends
            assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()}\n"


def test_the_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), writer_lock(tmp_path):
        raise RuntimeError
    with writer_lock(tmp_path), pytest.raises(LibraryError, match="being written"):
        writer_lock(tmp_path).__enter__()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(LibraryError, match="cannot write to the library"),
        writer_lock(tmp_path / "no"),
    ):
        pass
