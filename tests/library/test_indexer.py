from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soundseek.bundle.load import load_bundle
from soundseek.errors import LibraryError
from soundseek.library import Library, reading
from soundseek.library.lock import writer_lock
from soundseek.library.reports import Progress
from support.indexing import counts, paths, rows_of
from support.tiny_bundle import HOP_SAMPLES, SAMPLE_RATE, sine

WriteSound = Callable[..., Path]


def test_first_run(library: Library, sounds: Path, tiny_bundle: Path) -> None:
    report = library.index([sounds])
    assert counts(report) == {"added": 5}
    assert report.duration_s == pytest.approx(2.0 + 1.0 + 1.5 + 5.0 + 0.5)
    assert report.seconds > 0
    assert not report.interrupted
    names = ["clicks.wav", "low.wav", "noise.wav", "tones/Middle_Tone02.WAV", "tones/high.wav"]
    assert paths(library) == [str(sounds / name) for name in names]
    # What is stored is what the bundle says, however the windows were batched.
    bundle = load_bundle(tiny_bundle)
    for path, n_windows, valid, vector, windows in library.database.query(
        "SELECT path, n_windows, valid, vector, windows FROM files JOIN clips ON clips.id = clip_id"
    ):
        (expected,) = bundle.encode_audio([os.fsdecode(path)], windows=True)
        stored = np.frombuffer(windows, "<f2").reshape(n_windows, bundle.dimension)
        np.testing.assert_allclose(stored, expected, atol=1e-3)
        clip = bundle.encode_audio(os.fsdecode(path))[0]
        np.testing.assert_allclose(np.frombuffer(vector, "<f2"), clip, atol=1e-3)
        assert np.frombuffer(valid, "<u4").size == n_windows
    (row,) = library.database.query(
        "SELECT format, sample_rate, channels, duration_s, n_windows, valid FROM clips"
        " JOIN files ON clips.id = clip_id WHERE CAST(path AS TEXT) LIKE '%high.wav'"
    )
    assert row[:5] == ("wav", SAMPLE_RATE, 1, 5.0, 2)
    assert list(np.frombuffer(row[5], "<u4")) == [46_320, 5 * SAMPLE_RATE - HOP_SAMPLES]
    assert library.database.query("SELECT name FROM names WHERE names MATCH 'middle'") == [
        ("Middle Tone 02",)
    ]
    assert library.database.query("SELECT folder FROM names WHERE name = 'high'") == [
        ("sounds tones",)
    ]
    assert json.loads(library.database.meta()["roots"]) == [str(sounds)]


def test_a_second_run_reads_nothing(
    library: Library,
    sounds: Path,
    never_embed: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library.index([sounds])
    revision = library.database.revision()
    never_embed()
    monkeypatch.setattr(reading, "content_hash", lambda path: pytest.fail("hashed again"))
    assert counts(library.index([sounds])) == {"unchanged": 5}
    assert library.database.revision() == revision  # caches stay fresh


def test_without_roots_the_known_ones_are_taken(library: Library, sounds: Path) -> None:
    with pytest.raises(LibraryError, match="no folders yet"):
        library.index([])
    library.index([sounds])
    assert counts(library.index([])) == {"unchanged": 5}


def test_a_moved_file_keeps_its_vectors_and_tags(
    library: Library, sounds: Path, never_embed: Callable[[], None]
) -> None:
    library.index([sounds], tags=["steady"])
    never_embed()
    (sounds / "new").mkdir()
    (sounds / "low.wav").rename(sounds / "new" / "bass.wav")
    assert counts(library.index([sounds])) == {"unchanged": 4, "moved": 1}
    assert paths(library, "missing") == []
    assert library.database.query(
        "SELECT files.tags, name, folder FROM files JOIN names ON names.rowid = files.id"
        " WHERE CAST(path AS TEXT) LIKE '%bass.wav'"
    ) == [("steady", "bass", "sounds new")]


def test_a_file_that_moved_to_another_root(
    library: Library, sounds: Path, tmp_path: Path, never_embed: Callable[[], None]
) -> None:
    library.index([sounds])
    never_embed()
    (tmp_path / "other").mkdir()
    (sounds / "low.wav").rename(tmp_path / "other" / "low.wav")
    assert counts(library.index([sounds])) == {"unchanged": 4, "missing": 1}
    assert counts(library.index([tmp_path / "other"])) == {"moved": 1}
    assert paths(library, "missing") == []
    assert rows_of(library, "clips") == 5


def test_copies_share_one_clip(
    library: Library, sounds: Path, never_embed: Callable[[], None]
) -> None:
    for number in range(8):
        shutil.copy(sounds / "low.wav", sounds / f"low{number}.wav")
    assert counts(library.index([sounds])) == {"added": 13}
    assert rows_of(library, "clips") == 5
    never_embed()
    shutil.copy(sounds / "noise.wav", sounds / "noise2.wav")
    assert counts(library.index([sounds])) == {"unchanged": 13, "added": 1}
    (sounds / "low3.wav").unlink()
    assert counts(library.index([sounds])) == {"unchanged": 13, "missing": 1}
    assert rows_of(library, "clips") == 5


def test_a_changed_file_is_embedded_again(
    library: Library, sounds: Path, write_sound: WriteSound
) -> None:
    library.index([sounds])
    write_sound(sounds / "low.wav", sine(3000, 2.5))
    assert counts(library.index([sounds])) == {"unchanged": 4, "changed": 1}
    assert rows_of(library, "clips") == 5  # the old content has no file any more
    assert library.status().duration_s == pytest.approx(10.5)


def test_a_touched_file_is_unchanged(
    library: Library, sounds: Path, never_embed: Callable[[], None]
) -> None:
    library.index([sounds])
    never_embed()
    os.utime(sounds / "low.wav", (1, 1))
    assert counts(library.index([sounds])) == {"unchanged": 5}


def test_files_go_missing_and_come_back(
    library: Library, sounds: Path, tmp_path: Path, never_embed: Callable[[], None]
) -> None:
    library.index([sounds])
    never_embed()
    (sounds / "tones").rename(tmp_path / "away")
    assert counts(library.index([sounds])) == {"unchanged": 3, "missing": 2}
    assert counts(library.index([sounds])) == {"unchanged": 3}
    assert len(paths(library)) == 3
    assert rows_of(library, "clips") == 5
    (tmp_path / "away").rename(sounds / "tones")
    assert counts(library.index([sounds])) == {"unchanged": 5}
    assert len(paths(library)) == 5


def test_a_root_that_lost_all_its_sounds(library: Library, sounds: Path) -> None:
    library.index([sounds])
    shutil.rmtree(sounds)
    sounds.mkdir()
    assert counts(library.index([sounds])) == {"missing": 5}


def test_other_roots_and_excluded_files_are_left_alone(
    library: Library, sounds: Path, tmp_path: Path, write_sound: WriteSound
) -> None:
    library.index([sounds])
    write_sound(tmp_path / "sounds2" / "hum.wav", sine(100, 1.0))
    assert counts(library.index([tmp_path / "sounds2"])) == {"added": 1}
    assert counts(library.index([sounds], exclude=["tones"])) == {"unchanged": 3}
    assert len(paths(library)) == 6
    assert json.loads(library.database.meta()["roots"]) == [str(sounds), str(tmp_path / "sounds2")]
    library.index([tmp_path], include=["hum.wav"])
    assert json.loads(library.database.meta()["roots"]) == [str(tmp_path)]


def test_names_that_are_not_text(library: Library, sounds: Path) -> None:
    os.rename(os.fsencode(sounds / "low.wav"), os.fsencode(sounds) + b"/caf\xe9.wav")  # noqa: PTH104
    os.mkdir(os.fsencode(sounds) + b"/b\xff")  # noqa: PTH102
    with open(os.fsencode(sounds) + b"/b\xff/bad.wav", "w") as file:  # noqa: PTH123
        file.write("no sound")
    report = library.index([sounds])
    assert counts(report) == {"added": 5, "failed": 1}
    assert os.fsdecode(os.fsencode(sounds) + b"/caf\xe9.wav") in paths(library)
    assert json.loads(json.dumps(report.to_dict()))["failed"][0]["path"].endswith("b\udcff/bad.wav")
    assert counts(library.index([sounds])) == {"unchanged": 6}


def test_rebuild_embeds_again(library: Library, sounds: Path) -> None:
    library.index([sounds], tags=["kept"])
    with library.database.transaction() as connection:
        connection.execute("UPDATE clips SET windows = zeroblob(length(windows))")
    assert not library.verify().ok
    report = library.index([sounds], rebuild=True)
    assert report.duration_s == pytest.approx(10.0)
    assert library.verify().ok
    assert rows_of(library, "clips") == 5
    assert library.database.query("SELECT DISTINCT tags FROM files") == [("kept",)]


def test_progress(library: Library, sounds: Path) -> None:
    (sounds / "bad.wav").write_text("no sound" * 99)
    seen: list[Progress] = []
    library.index([sounds], on_progress=seen.append)
    assert [one.done for one in seen] == [1, 2, 3, 4, 5, 6]
    assert {one.total for one in seen} == {6}
    assert len({one.path for one in seen}) == 6
    assert seen[-1].failed == 1
    assert seen[-1].audio_s == pytest.approx(10.0)
    (failed,) = (one for one in seen if one.reason is not None)
    assert failed.path == str(sounds / "bad.wav")
    assert "cannot be decoded" in failed.reason


def test_one_writer_at_a_time(library: Library, sounds: Path) -> None:
    with (
        writer_lock(library.folder),
        pytest.raises(LibraryError, match=f"another process \\(pid {os.getpid()}\\)"),
    ):
        library.index([sounds])


def test_wrong_roots(library: Library, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"cannot index .*absent"):
        library.index([tmp_path / "absent"])
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.txt").touch()
    with pytest.raises(LibraryError, match=r"no sounds in .*none\n.*aac .*flac .*wav"):
        library.index([tmp_path / "none"])
    (tmp_path / "none" / "a.wav").write_text("x")
    with pytest.raises(LibraryError, match="check --include and --exclude"):
        library.index([tmp_path / "none"], exclude=["*.wav"])
    with pytest.raises(LibraryError, match="threads is 0"):
        library.index([tmp_path / "none"], threads=0)


def test_a_library_inside_its_own_root(
    tmp_path: Path, sounds: Path, tiny_bundle: Path, write_sound: WriteSound
) -> None:
    with Library.open(sounds / "library", bundle=tiny_bundle, create=True) as library:
        write_sound(library.cache_folder / "x.wav", sine(100, 0.1))
        assert counts(library.index([sounds])) == {"added": 5}


def test_reports_are_json(library: Library, sounds: Path) -> None:
    (sounds / "bad.wav").write_text("no sound" * 99)
    report = library.index([sounds])
    document = json.loads(json.dumps(report.to_dict()))
    assert document["added"] == 5
    assert document["failed"] == [
        {"path": str(sounds / "bad.wav"), "reason": report.failed[0].reason}
    ]
    assert replace(report, added=6) != report


def test_a_known_root_that_is_gone_does_not_stop_the_others(
    library: Library, sounds: Path, tmp_path: Path, write_sound: WriteSound
) -> None:
    disk = tmp_path / "disk"
    write_sound(disk / "hum.wav", sine(100, 0.5))
    library.index([sounds, disk])
    disk.rename(tmp_path / "unplugged")
    report = library.index([])
    assert counts(report) == {"unchanged": 5, "failed": 1}
    assert report.failed[0].path == str(disk)
    assert "soundseek library remove" in report.failed[0].reason
    assert str(disk / "hum.wav") in paths(library), "it may be back tomorrow"
    (tmp_path / "unplugged").rename(disk)
    assert counts(library.index([])) == {"unchanged": 6}
    shutil.rmtree(sounds)
    shutil.rmtree(disk)
    with pytest.raises(LibraryError, match=r"any more\n.*library remove"):
        library.index([])


def test_a_root_that_was_moved_keeps_its_tags(
    library: Library, sounds: Path, tmp_path: Path
) -> None:
    library.index([sounds], tags=["field"])
    sounds.rename(tmp_path / "archive")
    assert counts(library.index(tmp_path / "archive")) == {"moved": 5}
    assert all(path.startswith(str(tmp_path / "archive")) for path in paths(library))
    assert library.database.query("SELECT DISTINCT tags FROM files") == [("field",)]
    assert library.verify().ok
