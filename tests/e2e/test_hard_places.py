"""Where the machine gets in the way: full disks, long files, files that move under one's feet."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseek.library import reading
from support.command_line import process, succeeded, typed, write_sound, write_sounds
from support.tiny_bundle import clicks, noise, sine

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="as Linux does it")


def paths_found(query: str = "a high tone", *options: str) -> list[str]:
    answer = json.loads(succeeded("search", query, "--json", "-k", "5000", *options))
    return [path for hit in answer["hits"] for path in (hit["path"], *hit["also"])]


def names_found(query: str = "a high tone") -> list[str]:
    return sorted(Path(path).name for path in paths_found(query))


def copies(sound: Path, folder: Path, n: int) -> None:
    """Put `n` files with the content of `sound` into a new folder."""
    folder.mkdir(parents=True)
    content = sound.read_bytes()
    for number in range(n):
        (folder / f"take {number:04}.wav").write_bytes(content)


# --- disks and streams that take no more


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("a small disk is made with mount, on Linux")
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_keeps_what_is_committed(small_disk: Path, home: Path) -> None:
    library = ("--library", str(small_disk / "library"))
    files = write_sounds(home / "sounds")
    succeeded("index", "sounds", *library)
    copies(files["low"], home / "sounds" / "many", 1000)
    with process("index", "sounds", *library) as running:
        out, err = running.communicate(timeout=60)
    assert running.returncode == 2
    assert out == b""
    assert b"is full; everything committed so far is kept" in err
    assert b"  \xe2\x86\x92 free some space" in err
    assert b"Traceback" not in err
    found = paths_found("a high tone", *library)
    assert {str(path) for path in files.values()} <= set(found)
    assert json.loads(succeeded("library", "verify", "--json", *library))["ok"] is True
    subprocess.run(["mount", "-o", "remount,size=9m", str(small_disk)], check=True)
    again = json.loads(succeeded("index", "sounds", "--json", *library))
    assert again["added"] + again["unchanged"] == 1006
    assert len(paths_found("a high tone", *library)) == 1006


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_summary_that_cannot_be_written_loses_no_work(options: list[str], home: Path) -> None:
    write_sounds(home / "sounds")
    with (
        Path("/dev/full").open("wb") as full,
        process("index", "sounds", *options, stdout=full) as running,
    ):
        _, err = running.communicate()
    assert running.returncode == 2
    assert b"No space left" in err
    assert b"Traceback" not in err
    assert len(names_found()) == 6


@LINUX
@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "<&-"])
def test_streams_that_are_closed_or_full(closed: str, home: Path) -> None:
    write_sounds(home / "sounds")
    (home / "sounds" / "bad.wav").write_bytes(b"")
    words = [sys.executable, "-m", "soundseek", "index", "sounds"]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *words], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"6 new, 1 unreadable" in done.stdout
    assert b"Traceback" not in done.stderr


# --- files that are not what they were a moment ago


@pytest.fixture
def meddle(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What to do (a function of the path) when a file of a name is about to be read."""
    actions: dict[str, object] = {}
    content_hash = reading.content_hash

    def meddled(path: str) -> bytes:
        action = actions.pop(Path(path).name, None)
        if callable(action):
            action(Path(path))
        return content_hash(path)

    monkeypatch.setattr(reading, "content_hash", meddled)
    return actions


def test_a_file_that_vanishes_before_it_is_read(home: Path, meddle: dict[str, object]) -> None:
    write_sounds(home / "sounds")
    meddle["rec2.wav"] = Path.unlink
    result = typed("index", "sounds")
    assert result.exit_code == 1
    assert "5 new, 1 unreadable" in result.stdout
    assert names_found() == ["rec0.wav", "rec1.wav", "rec3.wav", "rec4.wav", "rec5.wav"]
    succeeded("index", "sounds")
    assert succeeded("library", "failures") == ""


def test_a_file_that_grows_while_it_is_read(home: Path, meddle: dict[str, object]) -> None:
    write_sounds(home / "sounds")
    meddle["rec2.wav"] = lambda path: write_sound(path, sine(4000, 9.0))
    result = typed("index", "sounds")
    assert result.exit_code == 1
    assert "changed while it was being read" in result.stdout
    assert "rec2.wav" not in names_found()
    succeeded("index", "sounds")
    assert names_found()[2] == "rec2.wav"


def test_a_folder_that_disappears_during_the_scan(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sounds(home / "sounds")
    write_sounds(home / "sounds" / "gone")
    scandir = os.scandir

    def late(folder: str | int) -> object:
        if folder == str(home / "sounds" / "gone"):
            Path(folder).rename(home / "elsewhere")
        return scandir(folder)

    monkeypatch.setattr("soundseek.library.scan.os.scandir", late)
    result = typed("index", "sounds")
    assert result.exit_code == 1
    assert str(Path("sounds", "gone")) in result.stdout
    assert len(names_found()) == 6


# --- odd names and many names


@LINUX
def test_links_in_circles_hidden_files_and_long_names(home: Path) -> None:
    high = write_sounds(home / "sounds")["high"]
    inner = home / "sounds" / "inner"
    inner.mkdir()
    (inner / "up").symlink_to("..")
    (inner / "self").symlink_to("self")
    (home / "sounds" / "here").symlink_to(".")
    (home / "sounds" / "nowhere.wav").symlink_to("absent.wav")
    (home / "sounds" / ".hidden").mkdir()
    shutil.copy(high, home / "sounds" / ".hidden" / "a.wav")
    shutil.copy(high, home / "sounds" / "._rec2.wav")
    longest = "雨" * 83 + "xx.wav"
    assert len(os.fsencode(longest)) == 255
    write_sound(home / "sounds" / longest, clicks(2.0))
    result = typed("index", "sounds")
    assert result.exit_code == 1
    assert "7 new, 2 unreadable" in result.stdout
    assert str(Path("sounds", "nowhere.wav")) in result.stdout
    assert names_found() == sorted([*(f"rec{n}.wav" for n in range(6)), longest])
    assert longest in succeeded("search", "clicks")
    assert longest in succeeded("library", "export", "-", "--format", "csv")


def test_thousands_of_files_in_one_folder(home: Path) -> None:
    folder = home / "sounds"
    copies(write_sound(home / "a.wav", sine(4000, 0.2)), folder, 2000)
    for number in range(20):
        write_sound(folder / f"other {number}.wav", noise(0.2, seed=number))
    report = json.loads(succeeded("index", "sounds", "--json"))
    assert report["added"] == 2020
    status = json.loads(succeeded("library", "status", "--json"))
    assert (status["files"], status["clips"]) == (2020, 21)
    assert len(paths_found()) == 2020
    again = json.loads(succeeded("index", "sounds", "--json"))
    assert again["unchanged"] == 2020
    (group,) = json.loads(succeeded("duplicates", "--threshold", "1", "--json"))["groups"]
    assert len(group["files"]) == 2000


# --- several at once


def test_searching_while_another_process_indexes(home: Path) -> None:
    write_sounds(home / "sounds")
    succeeded("index", "sounds")
    for number in range(400):
        write_sound(home / "sounds" / "more" / f"{number}.wav", noise(1.0, seed=number))
    seen = []
    with process("index", "sounds", "--threads", "1") as running:
        while running.poll() is None:
            seen.append(len(paths_found()))
        out, err = running.communicate()
    assert running.returncode == 0, err
    assert b"400 new" in out
    assert seen == sorted(seen)
    assert min(seen) >= 6
    assert len(paths_found()) == 406


# --- hours


def three_hours(path: Path, event_s: int) -> None:
    """Write a hiss of three hours, with three seconds of a tone at `event_s`."""
    rate = 8000
    hiss = noise(60.0, rate)
    with soundfile.SoundFile(path, "w", rate, 1, subtype="PCM_U8") as file:
        for minute in range(180):
            block = hiss.copy()
            at = event_s - 60 * minute
            if 0 <= at <= 57:
                block[at * rate : (at + 3) * rate] = sine(800, 3.0, rate)
            file.write(block)


# What the kernel counts for a child begins with its parent's peak, which is large in a long test
# run; the high-water mark of the memory that the process itself has mapped does not.
MEASURED = """
import atexit, re, sys
from pathlib import Path
peak_file = Path(sys.argv.pop(1))
def tell():
    status = Path("/proc/self/status").read_text()
    peak_file.write_text(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
atexit.register(tell)
from soundseek.cli.main import run
run()
"""


def run_measured(*arguments: str) -> tuple[str, float]:
    """Run a command line that must end with 0; returns its stdout and peak memory in MB."""
    peak_file = Path("peak")
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(peak_file), *arguments],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(), int(peak_file.read_text()) / 1024


@LINUX
@pytest.mark.slow
def test_three_hours_in_little_memory(home: Path) -> None:
    event_s = 2 * 3600 + 31 * 60 + 7
    (home / "sounds").mkdir()
    three_hours(home / "sounds" / "long.wav", event_s)
    out, megabytes = run_measured("index", "sounds", "--json")
    assert json.loads(out)["duration_s"] == pytest.approx(3 * 3600)
    assert megabytes < 350
    out, megabytes = run_measured("moments", "sounds/long.wav", "middle", "-k", "1", "--json")
    (moment,) = json.loads(out)["moments"]
    assert moment["start_s"] <= event_s + 1.5 <= moment["end_s"]
    assert moment["end_s"] - moment["start_s"] < 10
    assert megabytes < 350
    (hit,) = json.loads(succeeded("search", "middle", "--json"))["hits"]
    assert hit["start_s"] <= event_s + 1.5 <= hit["end_s"]
    assert np.isfinite(hit["score"])
    assert "2:31:0" in succeeded("moments", "sounds/long.wav", "middle", "-k", "1")
