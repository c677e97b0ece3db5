from __future__ import annotations

import threading
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from soundseek.library import Library, reading
from support.indexing import counts, rows_of
from support.tiny_bundle import noise, sine

WriteSound = Callable[..., Path]


def test_bad_files_are_listed_and_not_tried_again(
    library: Library, sounds: Path, never_embed: Callable[[], None], write_sound: WriteSound
) -> None:
    (sounds / "empty.wav").touch()
    (sounds / "empty2.wav").touch()
    for name in ("text.wav", "same-text.wav"):
        (sounds / name).write_text("this is no sound " * 30)
    content = bytearray((sounds / "low.wav").read_bytes())
    (sounds / "header.wav").write_bytes(content[:40])
    write_sound(sounds / "nan.wav", np.array([0.0] * 800 + [np.nan] * 800, np.float32))
    report = library.index([sounds])
    assert counts(report) == {"added": 5, "failed": 6}
    reasons = {Path(failure.path).name: failure.reason for failure in report.failed}
    assert reasons["empty.wav"] == reasons["empty2.wav"] == "is empty (0 bytes)"
    assert reasons["text.wav"] == reasons["same-text.wav"]
    assert "cannot be decoded" in reasons["text.wav"]
    assert reasons["nan.wav"] == "sample is NaN at 0.050 s"
    assert [failure.path for failure in library.failures()] == sorted(
        failure.path for failure in report.failed
    )
    never_embed()
    again = library.index([sounds])
    assert again.failed == ()
    assert again.unchanged == 11


def test_a_failed_file_is_tried_again_when_asked_or_mended(
    library: Library, sounds: Path, write_sound: WriteSound
) -> None:
    (sounds / "mended.wav").write_text("no sound" * 99)
    library.index([sounds])
    assert counts(library.index([sounds])) == {"unchanged": 6}
    assert counts(library.index([sounds], retry_failed=True)) == {"unchanged": 5, "failed": 1}
    write_sound(sounds / "mended.wav", sine(300, 1.0))
    assert counts(library.index([sounds])) == {"unchanged": 5, "added": 1}
    assert library.failures() == []
    (sounds / "mended.wav").write_text("broken again" * 99)
    assert counts(library.index([sounds])) == {"unchanged": 5, "failed": 1}
    (sounds / "mended.wav").unlink()
    assert counts(library.index([sounds])) == {"unchanged": 5}
    assert library.failures() == []


def test_a_file_that_changes_while_it_is_read(
    library: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch, write_sound: WriteSound
) -> None:
    true_stream = reading.stream

    def altering(path: str, rate: int) -> object:
        if path.endswith("low.wav"):
            write_sound(Path(path), sine(200, 3.0))
        if path.endswith("noise.wav"):
            Path(path).unlink()
        return true_stream(path, rate)

    monkeypatch.setattr(reading, "stream", altering)
    report = library.index([sounds], threads=1)
    reasons = {Path(failure.path).name: failure.reason for failure in report.failed}
    assert reasons["low.wav"] == "changed while it was being read"
    assert reasons["noise.wav"] == "no such file"
    assert report.added == 3
    monkeypatch.undo()
    assert counts(library.index([sounds])) == {"unchanged": 3, "added": 1}
    assert rows_of(library, "files") == rows_of(library, "names") == 4


def test_a_copy_that_is_noticed_after_its_twin_has_failed(
    library: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.wav", "b.wav"):
        (sounds / name).write_text("this is no sound " * 30)
    true_claim = reading.Contents.claim
    failed = threading.Event()

    def late(contents: reading.Contents, digest: bytes) -> bool:
        first = true_claim(contents, digest)
        if not first:
            failed.wait(10)
        return first

    monkeypatch.setattr(reading.Contents, "claim", late)
    report = library.index(
        [sounds / "a.wav", sounds / "b.wav"],
        threads=2,
        on_progress=lambda progress: failed.set(),
    )
    assert counts(report) == {"failed": 2}


def test_an_absurd_sound_does_not_spoil_its_batch(
    library: Library, sounds: Path, write_sound: WriteSound
) -> None:
    write_sound(sounds / "absurd.wav", np.full(16_000, 3e38, np.float32))
    write_sound(sounds / "silence.wav", np.zeros(16_000, np.float32))
    write_sound(sounds / "blip.wav", sine(900, 0.05))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, about the overflow
        report = library.index([sounds], threads=1)
    assert report.added == 7
    assert [Path(failure.path).name for failure in report.failed] == ["absurd.wav"]
    assert library.verify(deep=True).ok


def test_an_error_of_the_program_ends_the_run_with_that_error(
    library: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: str) -> None:
        raise ZeroDivisionError(path)

    monkeypatch.setattr(reading, "probe", broken)
    with pytest.raises(ZeroDivisionError):
        library.index([sounds])
    assert not [t for t in threading.enumerate() if t.name.startswith("soundseek-reader")]


def test_a_long_sound_is_never_whole_in_memory(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_sound: WriteSound
) -> None:
    # An hour of sound that exists a block at a time; its memory would be 230 MB.
    def an_hour(path: str, rate: int) -> object:
        return (noise(30.0, seed=7) for _ in range(120))

    monkeypatch.setattr(reading, "stream", an_hour)
    write_sound(tmp_path / "long" / "a.wav", noise(0.1))
    tracemalloc.start()
    report = library.index([tmp_path / "long"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.duration_s == 3600.0
    assert library.status().windows == 1250
    assert peak < 60e6
