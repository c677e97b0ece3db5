from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseek.audio.decode import read
from soundseek.audio.quiet import native_messages_silenced


def test_native_writes_vanish_and_python_ones_stay() -> None:
    script = """
        import os, sys
        from soundseek.audio.quiet import native_messages_silenced
        with native_messages_silenced():
            os.write(2, b"native\\n")
            print("python", file=sys.stderr)
        os.write(2, b"after\\n")
        print("end", file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert done.stderr.split() == ["python", "after", "end"]


def test_a_damaged_mp3_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 88_200), 44_100)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(data)
    with native_messages_silenced():
        assert read(path)[0].size > 10_000
    assert capfd.readouterr().err == ""


def test_everything_is_restored_after_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stderr

    def fail() -> None:
        os.write(2, b"native")
        raise RuntimeError

    with pytest.raises(RuntimeError), native_messages_silenced():
        fail()
    assert sys.stderr is before
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


@pytest.mark.skipif(sys.platform == "win32", reason="closes the stream as a Unix shell does")
def test_a_closed_stderr_does_not_turn_into_the_next_file(tmp_path: Path) -> None:
    script = f"""
        import os
        from soundseek.audio.quiet import native_messages_silenced
        with native_messages_silenced():
            file = open({str(tmp_path / "result")!r}, "wb")
            os.write(2, b"native")
        assert file.fileno() > 2
        try:
            os.fstat(2)
        except OSError:
            file.write(b"closed again")
    """
    words = [sys.executable, "-c", textwrap.dedent(script)]
    subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *words], check=True)
    assert (tmp_path / "result").read_bytes() == b"closed again"
