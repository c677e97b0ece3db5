"""What only a real process shows: exit codes, pipes, signals, and what is imported."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from support.command_line import hears_ctrl_c, process, succeeded, typed, write_sounds
from support.tiny_bundle import noise

HEAVY = ("av", "librosa", "onnx", "rich", "soundfile", "soxr", "torch", "transformers")


def imported_by(*arguments: str) -> set[str]:
    """Return the modules that a process has imported when the command is over."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from soundseek.cli.main import run\n"
        f"sys.argv = ['soundseek', *{list(arguments)!r}]\n"
        "run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return set(done.stderr.decode().splitlines()[-1].split())


def test_a_search_imports_nothing_that_it_does_not_need(sounds: dict[str, Path]) -> None:
    modules = imported_by("search", "a high tone")
    assert "onnxruntime" in modules
    assert modules.isdisjoint(HEAVY)


def test_an_evaluation_of_files_imports_no_model(home: Path) -> None:
    Path("truth.csv").write_text("file_name,caption_1\na.wav,x\n")
    Path("answers.csv").write_text("caption,file_name_1\nx,a.wav\n")
    modules = imported_by(
        "evaluate", "retrieval", "--truth", "truth.csv", "--predictions", "answers.csv"
    )
    assert "numpy" in modules
    assert modules.isdisjoint({*HEAVY, "onnxruntime", "sqlite3", "tokenizers"})


def test_help_imports_next_to_nothing() -> None:
    modules = imported_by("--help")
    assert modules.isdisjoint({*HEAVY, "numpy", "onnxruntime", "sqlite3"})
    assert not any(name.startswith("soundseek.library") for name in modules)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--version"], 0), (["search", "high"], 0), (["search", "high", "-k", "0"], 2), (["hum"], 2)],
)
def test_exit_codes(arguments: list[str], code: int, sounds: dict[str, Path]) -> None:
    with process(*arguments) as running:
        out, err = running.communicate()
    assert running.returncode == code
    assert bool(out) is (code == 0)
    assert b"Traceback" not in err


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_stops_reading_is_no_error(
    sounds: dict[str, Path], home: Path, unbuffered: str
) -> None:
    (home / "queries.txt").write_text("high\n" * 400)
    env = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with process("search", "--queries", "queries.txt", "--json", env=env) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"{\n"
        running.stdout.close()
        assert running.stderr is not None
        assert running.stderr.read() == b""
    assert running.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_an_error(sounds: dict[str, Path]) -> None:
    with Path("/dev/full").open("wb") as full, process("search", "high", stdout=full) as running:
        _, err = running.communicate()
    assert running.returncode == 2
    assert err.endswith(b"make room on that disk and run the command again\n")
    assert b"Traceback" not in err


def test_closed_output_is_no_crash(sounds: dict[str, Path]) -> None:
    words = [sys.executable, "-m", "soundseek", "search", "high"]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *words], check=False)
    assert done.returncode == 0


def silent_hours(path: Path, hours: int) -> None:
    """Write a long sound that takes no room on the disk."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.setnframes(hours * 3600 * 16_000)
        file.writeframesraw(b"")
    data_bytes = hours * 3600 * 16_000 * 2
    with path.open("r+b") as raw:
        raw.seek(4)
        raw.write((36 + data_bytes).to_bytes(4, "little"))
        raw.seek(40)
        raw.write(data_bytes.to_bytes(4, "little"))
        raw.truncate(44 + data_bytes)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(home: Path) -> None:
    write_sounds(home / "sounds")
    silent_hours(home / "sounds" / "zzz.wav", hours=12)
    with process("index", "sounds", "--threads", "1", preexec_fn=hears_ctrl_c) as running:
        wait_until_stored(home / "library" / "library.db", clips=6)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert b"6 new" in out
    assert b"What was done is kept" in err
    assert b"Traceback" not in err
    assert json.loads(succeeded("library", "verify", "--json"))["ok"] is True
    assert len(json.loads(succeeded("search", "high", "--json"))["hits"]) == 6
    (home / "sounds" / "zzz.wav").unlink()
    again = typed("index", "sounds")
    assert again.exit_code == 0
    assert "6 known" in again.stdout


def wait_until_stored(database: Path, clips: int) -> None:
    """Wait until a library holds so many clips; it commits after two seconds at most."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
            try:
                if connection.execute("SELECT count(*) FROM clips").fetchone()[0] >= clips:
                    return
            finally:
                connection.close()
        except sqlite3.OperationalError:  # not made yet
            pass
        time.sleep(0.05)
    raise AssertionError(f"{clips} clips were not stored in time")


def test_queries_from_a_closed_input(sounds: dict[str, Path]) -> None:
    words = [sys.executable, "-m", "soundseek", "search", "--queries", "-"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *words], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: there is no query in the standard input")


def damaged_mp3(path: Path) -> Path:
    """Write an MP3 that its decoder comments on."""
    soundfile.write(path, noise(4.0, 44_100), 44_100)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(content)
    return path


def test_decoders_do_not_talk_to_the_terminal(home: Path) -> None:
    (home / "sounds").mkdir()
    file = str(damaged_mp3(home / "sounds" / "damaged.mp3"))
    for command in (
        ["index", "sounds"],
        ["moments", file, "noise"],
        ["search", "--like", file],
        ["demo", "sounds"],
    ):
        with process(*command) as running:
            _, err = running.communicate()
        assert running.returncode == 0, err
        for words in (b"mpg123", b"Note:", b"Warning:", b"resync"):
            assert words not in err, command
