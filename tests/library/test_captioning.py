"""A captioner at work on a library: all clips, once, in steps that survive anything."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from soundseek.bundle.captioning.load import load_captioner
from soundseek.errors import LibraryError
from soundseek.library import Library, captioning
from soundseek.library.lock import writer_lock
from soundseek.library.reports import Progress
from support.captioning import FakeCaptioner, Windows
from support.tiny_captioner import make_tiny_captioner
from support.vector_library import Clip, add_clips


@pytest.fixture
def captioner(library: Library, sounds: Path) -> FakeCaptioner:
    """One that hears what the library with five sounds hears."""
    library.index([sounds])
    return FakeCaptioner(library.bundle.fingerprint)


def _rows(library: Library) -> list[tuple[str, str]]:
    return library.database.query("SELECT source, text FROM captions ORDER BY id")  # type: ignore[return-value]


def test_every_clip_once(library: Library, captioner: FakeCaptioner) -> None:
    seen: list[Progress] = []
    report = library.caption(captioner, on_progress=seen.append)
    assert (report.captioned, report.known, report.empty, report.interrupted) == (5, 0, 0, False)
    assert (report.captioner, report.fingerprint) == ("fake c", "c" * 64)
    assert (seen[-1].done, seen[-1].total) == (5, 5)
    assert seen[-1].audio_s == pytest.approx(10.0)
    again = library.caption(captioner)
    assert (again.captioned, again.known, captioner.asked) == (0, 5, 5)
    assert again.to_dict()["known"] == 5


def test_it_gets_the_windows_that_are_stored(library: Library, captioner: FakeCaptioner) -> None:
    heard: list[Windows] = []
    captioner._say = lambda windows: heard.append(windows) or "x"  # type: ignore[func-returns-value]
    library.caption(captioner)
    stored = library.database.query("SELECT windows FROM clips ORDER BY id")
    for windows, (blob,) in zip(heard, stored, strict=True):
        assert windows.dtype == np.float32
        assert windows.shape[1] == library.bundle.dimension
        assert windows.astype("<f2").tobytes() == blob


def test_another_captioner_takes_its_place_and_the_users_stay(
    library: Library, captioner: FakeCaptioner
) -> None:
    library.caption(captioner)
    library.add_captions([("low.wav", "mine")])
    other = FakeCaptioner(captioner.hears, mark="d")
    assert library.caption(other).captioned == 5
    assert {source for source, _ in _rows(library)} == {"user", "d" * 64}
    assert len(_rows(library)) == 6


def test_again_replaces_its_own(library: Library, captioner: FakeCaptioner) -> None:
    library.caption(captioner)
    captioner._say = lambda windows: "better"
    assert library.caption(captioner, again=True).captioned == 5
    assert _rows(library) == [("c" * 64, "better")] * 5


def test_new_sounds_alone_are_captioned(
    library: Library, captioner: FakeCaptioner, sounds: Path, write_sound
) -> None:
    library.caption(captioner)
    write_sound(sounds / "new.wav", np.full(8000, 0.1, np.float32))
    library.index([sounds])
    assert library.caption(captioner).captioned == 1


def test_no_words_are_an_answer_that_is_not_asked_for_again(
    library: Library, captioner: FakeCaptioner, sounds: Path
) -> None:
    captioner._say = lambda windows: "" if len(windows) == 1 else "... !"
    assert library.caption(captioner).empty == 4
    assert library.caption(captioner).captioned == 0
    assert library.captions(sounds / "low.wav") == []
    assert library.status().captioned == 1  # "... !" is a text, though none that the model reads
    hits = {Path(hit.path).name: hit.caption for hit in library.search("low")}
    assert hits["low.wav"] is None
    assert hits["high.wav"] == "... !"


def test_long_captions_are_kept_whole(library: Library, captioner: FakeCaptioner) -> None:
    text = "a low hum " * 5000 + "zebra"
    captioner._say = lambda windows: text
    library.caption(captioner)
    assert _rows(library)[0][1] == text
    assert library.search("zebra", k=1, generated_captions=True)[0].name_rank == 1


def test_a_captioner_of_another_model_is_refused(library: Library, sounds: Path) -> None:
    with pytest.raises(LibraryError, match=r"reads vectors of the model aaaa.*\n.*--captioner"):
        library.caption(FakeCaptioner("a" * 64))


def test_one_writer_at_a_time(library: Library, captioner: FakeCaptioner) -> None:
    with writer_lock(library.folder), pytest.raises(LibraryError, match="another process"):
        library.caption(captioner)


def test_damaged_vectors_are_explained(library: Library, captioner: FakeCaptioner) -> None:
    with library.database.transaction() as connection:
        connection.execute("UPDATE clips SET windows = x'00' WHERE id = 2")
    with pytest.raises(LibraryError, match=r"clip 2 .* damaged.*\n.*--rebuild"):
        library.caption(captioner)


def test_an_interrupt_keeps_what_is_done(
    library: Library, captioner: FakeCaptioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captioning, "_BATCH_CLIPS", 2)

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    report = library.caption(captioner, on_progress=interrupt)
    assert (report.captioned, report.interrupted) == (2, True)
    assert library.caption(captioner).known == 2


def test_a_captioner_as_it_is_installed(
    library: Library, sounds: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    library.index([sounds])
    folder = make_tiny_captioner(tmp_path / "captioner", tiny_bundle)
    captioner = load_captioner(folder, bundle=library.bundle)
    assert library.caption(captioner).captioned == 5
    (caption,) = library.captions(sounds / "low.wav")
    assert (caption.text, caption.captioner) == ("a low tone is heard", "tiny-captions")
    assert caption.source == captioner.fingerprint
    assert caption.score is not None
    assert caption.score < 0
    assert library.search("low", k=1)[0].caption == "a low tone is heard"


_CHILD = """
import sys, time
from soundseek.library import Library, captioning
from support.captioning import FakeCaptioner
captioning._BATCH_CLIPS = 3
with Library.open(sys.argv[1]) as library:
    print("open", flush=True)
    say = lambda windows: time.sleep(0.001) or "a sound"
    captioner = FakeCaptioner(library.bundle.fingerprint, say)
    library.caption(captioner, on_progress=lambda progress: print(progress.done, flush=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_five_kills(library: Library, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((1500, library.bundle.dimension))
    add_clips(library.database, [Clip(row, [f"/s/{n}.wav"]) for n, row in enumerate(vectors)])
    chance = random.Random(1)
    kept = 0
    for _ in range(5):
        command = [sys.executable, "-c", _CHILD, str(library.folder)]
        env_path = str(Path(__file__).resolve().parents[1])
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=_with_path(env_path)
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "open\n"
            told = [int(child.stdout.readline()) for _ in range(chance.randrange(3, 30))]
            time.sleep(chance.uniform(0, 0.01))
            child.send_signal(signal.SIGKILL)
            told += [int(line) for line in child.stdout if line.endswith("\n")]
        before = kept
        ((kept,),) = library.database.query("SELECT count(*) FROM captions")
        assert kept >= before + max(told)
        assert library.database.query("SELECT count(*) FROM captions_text") == [(kept,)]
        assert library.database.query("PRAGMA integrity_check") == [("ok",)]
    assert 0 < kept < 1500
    report = library.caption(FakeCaptioner(library.bundle.fingerprint))
    assert (report.known, report.captioned) == (kept, 1500 - kept)
    ((clips,),) = library.database.query("SELECT count(DISTINCT clip_id) FROM captions")
    assert clips == 1500


def _with_path(folder: str) -> dict[str, str]:
    import os

    paths = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
