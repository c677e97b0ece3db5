"""Bad input as users meet it: what is typed, what is printed, and what still works afterwards."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import Result

from soundseek.library.lock import writer_lock
from support.command_line import process, succeeded, typed, write_sound, write_sounds
from support.tiny_bundle import SAMPLE_RATE, noise, sine


def refused(*arguments: str | Path) -> str:
    """Run a command line that must end with 2 and no result; returns its message."""
    result: Result = typed(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    return result.stderr


def names_found(query: str = "a high tone") -> list[str]:
    answer = json.loads(succeeded("search", query, "--no-names", "--json", "-k", "50"))
    return [Path(hit["path"]).name for hit in answer["hits"]]


# --- folders


def test_an_empty_folder_says_what_was_looked_for(home: Path) -> None:
    (home / "empty").mkdir()
    message = refused("index", "empty")
    assert "empty" in message
    assert "wav" in message
    assert "  → " in message


def test_a_folder_without_sounds_is_like_an_empty_one(home: Path) -> None:
    (home / "papers").mkdir()
    (home / "papers" / "notes.txt").write_text("no sound")
    assert "wav" in refused("index", "papers")


def test_a_missing_folder(home: Path) -> None:
    assert "nowhere" in refused("index", "nowhere")
    assert not (home / "library").exists()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything"
)
def test_a_file_that_may_not_be_read_is_listed(home: Path) -> None:
    files = write_sounds(home / "sounds")
    files["low"].chmod(0)
    result = typed("index", "sounds")
    assert result.exit_code == 1
    assert "ermission" in result.stdout
    assert len(names_found()) == 5


# --- files


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text_called_wav(path: Path) -> None:
    path.write_text("This is not a sound at all, whatever it is called.\n" * 50)


def not_a_number(path: Path) -> None:
    samples = sine(500)
    samples[20_000] = np.nan
    soundfile.write(path, samples, SAMPLE_RATE, subtype="FLOAT")


def random_bytes(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(20_000))


@pytest.mark.parametrize("spoil", [empty, text_called_wav, not_a_number, random_bytes])
def test_a_file_that_is_no_sound_is_listed_and_the_others_are_found(
    spoil: Callable[[Path], None], home: Path
) -> None:
    write_sounds(home / "sounds")
    spoil(home / "sounds" / "bad.wav")
    result = typed("index", "sounds")
    assert result.exit_code == 1
    assert "6 new, 1 unreadable" in result.stdout
    name, reason = result.stdout.splitlines()[3:5]
    assert name.strip() == str(Path("sounds", "bad.wav"))
    assert reason.strip()
    assert "bad.wav" not in reason
    assert "bad.wav" not in names_found()
    assert len(names_found()) == 6


def truncated(path: Path) -> None:
    whole = write_sound(path.with_name("whole.flac"), sine(4000, 6))
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    whole.unlink()


def truncated_wav(path: Path) -> None:
    write_sound(path, sine(4000, 6))
    os.truncate(path, path.stat().st_size // 2)


def silence(path: Path) -> None:
    write_sound(path, np.zeros(SAMPLE_RATE, np.float32))


def very_short(path: Path) -> None:
    write_sound(path, sine(4000, 0.05))


def eight_channels(path: Path) -> None:
    write_sound(path, np.tile(sine(4000)[:, np.newaxis], (1, 8)))


def very_fast(path: Path) -> None:
    write_sound(path, sine(4000, sample_rate=192_000), 192_000)


def stereo_float_over_full_scale(path: Path) -> None:
    samples = 4 * np.stack([sine(4000), noise()], axis=1)
    soundfile.write(path, samples, SAMPLE_RATE, subtype="FLOAT")


@pytest.mark.parametrize(
    "make",
    [
        truncated_wav,
        silence,
        very_short,
        eight_channels,
        very_fast,
        stereo_float_over_full_scale,
    ],
)
def test_an_odd_sound_is_a_sound(make: Callable[[Path], None], home: Path) -> None:
    (home / "sounds").mkdir()
    make(home / "sounds" / "odd.wav")
    result = typed("index", "sounds")
    assert result.exit_code == 0, result.output
    assert names_found() == ["odd.wav"]
    moments = json.loads(succeeded("moments", "sounds/odd.wav", "high", "--json"))["moments"]
    assert all(np.isfinite(moment["score"]) for moment in moments)


def test_a_truncated_file_does_not_stop_the_others(home: Path) -> None:
    write_sounds(home / "sounds")
    truncated(home / "sounds" / "torn.flac")
    assert typed("index", "sounds").exit_code in (0, 1)
    assert len([name for name in names_found() if name.startswith("rec")]) == 6


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_no_text(home: Path) -> None:
    path = os.fsdecode(os.fsencode(home / "sounds") + b"/\xff\xe4\n.wav")
    Path(path).parent.mkdir()
    shutil.copy(write_sound(home / "high.wav", sine(4000)), path)
    assert typed("index", "sounds").exit_code == 0
    table = typed("search", "high")
    assert table.exit_code == 0
    assert r"\udcff\udce4\n.wav" in table.stdout
    assert len(table.stdout.splitlines()) == 2
    (hit,) = json.loads(succeeded("search", "high", "--json"))["hits"]
    assert hit["path"] == path
    assert typed("search", "high", "-0").stdout_bytes == os.fsencode(path) + b"\0"
    playlist = typed("search", "high", "--m3u").stdout_bytes.splitlines()
    assert playlist[-1].endswith(b"/%FF%E4%0A.wav")
    assert len(playlist) == 4
    assert typed("search", "high", "--csv").exit_code == 0
    assert succeeded("moments", path, "high", "--json")
    for command in (["library", "verify"], ["library", "export", "all.csv"], ["duplicates"]):
        assert typed(*command).exit_code == 0
    os.truncate(path, 0)
    result = typed("index", "sounds")
    assert result.exit_code == 1
    assert r"\udcff" in result.stdout
    assert typed("library", "failures", "--json").exit_code == 0
    with process("library", "failures") as running:
        out, _ = running.communicate()
    assert running.returncode == 0
    assert rb"\udcff" in out


# --- libraries


@pytest.fixture
def indexed(home: Path) -> Path:
    """A library of six sounds."""
    write_sounds(home / "sounds")
    succeeded("index", "sounds")
    return home / "library"


def overwrite(library: Path, content: bytes) -> None:
    for path in library.glob("library.db*"):
        path.unlink()
    shutil.rmtree(library / "cache", ignore_errors=True)
    (library / "library.db").write_bytes(content)


@pytest.mark.parametrize("content", [b"no database at all\n" * 99, bytes(4096), b"SQLite format 3"])
def test_a_corrupted_library_and_the_way_out(content: bytes, indexed: Path) -> None:
    overwrite(indexed, content)
    assert "--rebuild" in refused("search", "high")
    refused("index", "sounds")
    refused("library", "status")
    succeeded("index", "sounds", "--rebuild")
    assert len(names_found()) == 6


def test_a_library_damaged_in_the_middle_is_no_traceback(indexed: Path) -> None:
    with sqlite3.connect(indexed / "library.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray((indexed / "library.db").read_bytes())
    content[4096:] = np.random.default_rng(0).bytes(len(content) - 4096)
    overwrite(indexed, bytes(content))
    assert "damaged" in refused("search", "high")
    succeeded("index", "sounds", "--rebuild")
    assert len(names_found()) == 6


def test_another_database_is_left_alone(home: Path) -> None:
    (home / "library").mkdir()
    with sqlite3.connect(home / "library" / "library.db") as connection:
        connection.execute("CREATE TABLE recipes (cake TEXT)")
    connection.close()
    write_sounds(home / "sounds")
    assert "something else" in refused("index", "sounds")
    assert "something else" in refused("search", "high")


def test_a_library_of_a_newer_program(indexed: Path) -> None:
    with sqlite3.connect(indexed / "library.db") as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    connection.close()
    for command in (["search", "high"], ["index", "sounds"], ["library", "status"]):
        assert "upgrade soundseek" in refused(*command)


@pytest.fixture
def other_bundle(tiny_bundle: Path, home: Path) -> Path:
    """The same model under another name, hence with another fingerprint."""
    folder = home / "models" / "other"
    shutil.copytree(tiny_bundle, folder)
    manifest = folder / "bundle.json"
    manifest.write_text(manifest.read_text().replace('"name": "tiny"', '"name": "other"'))
    return folder


def test_a_library_of_another_model_and_the_way_out(indexed: Path, other_bundle: Path) -> None:
    for command in (["search", "high"], ["index", "sounds"]):
        message = refused(*command, "--model", "other")
        assert "'tiny'" in message
        assert "'other'" in message
        assert "--rebuild" in message
    succeeded("index", "sounds", "--model", "other", "--rebuild")
    assert json.loads(succeeded("library", "status", "--json"))["bundle"] == "other"
    answer = json.loads(succeeded("search", "high", "--model", "other", "--json"))
    assert len(answer["hits"]) == 6


def test_a_library_whose_model_is_gone(
    home: Path, other_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sounds(home / "sounds")
    succeeded("index", "sounds", "--model", "other")
    shutil.rmtree(other_bundle)
    monkeypatch.delenv("SOUNDSEEK_MODEL")
    assert "not on this machine" in refused("search", "high")
    assert json.loads(succeeded("library", "status", "--json"))["clips"] == 6


def test_two_indexers_at_once(indexed: Path) -> None:
    with writer_lock(indexed):
        with process("index", "sounds") as running:
            out, err = running.communicate(timeout=30)
        assert running.returncode == 2
        assert out == b""
        assert f"pid {os.getpid()}".encode() in err
        assert len(names_found()) == 6, "readers need not wait"
    succeeded("index", "sounds")


def test_a_library_that_is_a_file(home: Path) -> None:
    (home / "library").write_text("a file where a folder should be")
    write_sounds(home / "sounds")
    assert "library" in refused("index", "sounds")
    assert "library" in refused("search", "high")


# --- queries


@pytest.mark.parametrize("query", ["", " ", "\t\n"])
def test_an_empty_query(query: str, indexed: Path) -> None:
    assert "empty" in refused("search", query)
    assert "empty" in refused("search", "high", "--without", query)
    assert "empty" in refused("moments", "sounds/rec0.wav", query)


def test_a_query_of_ten_thousand_words(indexed: Path) -> None:
    assert "limit" in refused("search", "rain " * 10_000)


@pytest.mark.parametrize("query", ["雨の音", "дождь", "صوت المطر", "🌧", "!?", "a'b\"c*(d) OR NOT"])
def test_a_query_in_any_script(query: str, indexed: Path) -> None:
    result = typed("search", query, "--json")
    # A text without any letter or digit has no words to look for.
    assert result.exit_code == (2 if query in ("!?", "🌧") else 0), result.output
    if result.exit_code == 0:
        answer = json.loads(result.stdout)
        assert answer["query"] == query
        assert len(answer["hits"]) == 6
        assert "the model cannot read" in result.stderr


def test_words_that_the_model_knows_need_no_note(indexed: Path) -> None:
    assert "cannot read" not in typed("search", "a low tone").stderr


@pytest.mark.parametrize("k", ["0", "-3"])
def test_no_hits_asked_for(k: str, indexed: Path) -> None:
    assert f"k is {k}" in refused("search", "high", "-k", k)


def test_more_hits_than_there_are(indexed: Path) -> None:
    answer = json.loads(succeeded("search", "high", "-k", "1000000", "--json"))
    assert len(answer["hits"]) == 6


def test_a_sound_like_one_that_cannot_be_read(indexed: Path, home: Path) -> None:
    empty(home / "bad.wav")
    assert "bad.wav" in refused("search", "--like", "bad.wav")
    assert "bad.wav" in refused("moments", "bad.wav", "high")
