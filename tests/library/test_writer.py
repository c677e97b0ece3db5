from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from soundseek.errors import LibraryError
from soundseek.library import Library, indexer
from soundseek.library.reports import Progress
from support.indexing import paths, rows_of
from support.tiny_bundle import noise

WriteSound = Callable[..., Path]


def test_tags(library: Library, sounds: Path) -> None:
    library.index([sounds])
    library.index([sounds / "tones"], tags=["Pure Tone", "test"])
    assert library.database.query(
        "SELECT tags FROM files WHERE CAST(path AS TEXT) LIKE '%high.wav'"
    ) == [("Pure Tone,test",)]
    assert len(library.database.query("SELECT rowid FROM names WHERE tags MATCH 'pure'")) == 2
    library.index([sounds])
    assert len(library.database.query("SELECT rowid FROM names WHERE tags MATCH 'pure'")) == 2
    library.index([sounds], tags=[])
    assert library.database.query("SELECT DISTINCT tags FROM files") == [("",)]


def test_a_full_disk(library: Library, tmp_path: Path, write_sound: WriteSound) -> None:
    for number in range(400):
        write_sound(tmp_path / "many" / f"{number}.wav", noise(0.05, seed=number))
    (pages,) = library.database.query("PRAGMA page_count")[0]
    library.database.connection.execute(f"PRAGMA max_page_count = {pages + 30}")
    with pytest.raises(LibraryError, match=r"disk .* is full"):
        library.index([tmp_path / "many"])
    committed = len(paths(library))
    assert committed > 0
    library.database.connection.execute("PRAGMA max_page_count = 1000000")
    report = library.index([tmp_path / "many"])
    assert (report.unchanged, report.added) == (committed, 400 - committed)


def test_an_unwritable_commit_is_repeated_without_harm(
    library: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C between a commit and the moment that it is noted writes the same rows again."""
    true_flush = indexer.Writer.flush

    def interrupted(writer: indexer.Writer) -> None:
        pending = list(writer._pending)
        true_flush(writer)
        if pending:
            monkeypatch.setattr(indexer.Writer, "flush", true_flush)
            writer._pending = pending
            raise KeyboardInterrupt

    monkeypatch.setattr(indexer.Writer, "flush", interrupted)
    monkeypatch.setattr(indexer.Writer, "flush_if_due", lambda writer: writer.flush())
    library.index([sounds])
    library.index([sounds])
    assert len(paths(library)) == 5
    assert rows_of(library, "names") == rows_of(library, "clips") == 5


def test_readers_see_whole_clips_while_one_indexes(
    library: Library, tmp_path: Path, write_sound: WriteSound
) -> None:
    for number in range(150):
        write_sound(tmp_path / "many" / f"{number}.wav", noise(0.05, seed=number))
    reader = Library.open(library.folder, read_only=True)
    sizes: list[int] = []

    def look(progress: Progress) -> None:
        ((orphans,),) = reader.database.query(
            "SELECT count(*) FROM clips WHERE id NOT IN (SELECT clip_id FROM files)"
        )
        assert orphans == 0
        sizes.append(rows_of(reader, "files"))

    library.index([tmp_path / "many"], on_progress=look)
    assert sizes == sorted(sizes)
    assert 0 < sizes[-1] <= 150
    assert rows_of(reader, "files") == 150
    reader.close()


def test_a_library_opened_for_reading_is_not_written(library: Library, sounds: Path) -> None:
    with (
        Library.open(library.folder, read_only=True) as reader,
        pytest.raises(LibraryError, match="can only be read"),
    ):
        reader.index([sounds])
    assert paths(library) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_stopped_runs_keep_what_is_done(
    library: Library, tmp_path: Path, write_sound: WriteSound, threads: int
) -> None:
    for number in range(60):
        write_sound(tmp_path / "many" / f"{number}.wav", noise(0.3, seed=number))
    seen: list[Progress] = []
    report = library.index(
        [tmp_path / "many"],
        threads=threads,
        on_progress=seen.append,
        should_stop=lambda: bool(seen),
    )
    assert report.interrupted
    assert 0 < report.added < 60
    assert len(paths(library)) == report.added
    rest = library.index([tmp_path / "many"])
    assert not rest.interrupted
    assert (rest.added, rest.unchanged) == (60 - report.added, report.added)


def test_ctrl_c_keeps_what_is_done(library: Library, sounds: Path, write_sound: WriteSound) -> None:
    write_sound(sounds / "zz-long.wav", noise(600.0))  # still being read when the others are done

    def interrupt(progress: Progress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    report = library.index([sounds], on_progress=interrupt)
    assert report.interrupted
    assert report.added >= 2
    assert not [t for t in threading.enumerate() if t.name.startswith("soundseek-reader")]
    assert library.index([sounds]).unchanged == report.added
    assert library.verify().ok
