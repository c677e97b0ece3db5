from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from soundseek.bundle.load import load_bundle
from soundseek.errors import BundleError, LibraryError
from soundseek.library import Library
from soundseek.library.database import DATABASE_FILE


@pytest.fixture
def other_bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """The same model under another fingerprint."""
    folder = tmp_path / "other"
    shutil.copytree(tiny_bundle, folder)
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["name"] = "other"
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


def test_the_model_is_remembered(tmp_path: Path, tiny_bundle: Path) -> None:
    Library.open(tmp_path / "lib", bundle=tiny_bundle, create=True).close()
    with Library.open(tmp_path / "lib") as library:
        assert library.bundle.fingerprint == load_bundle(tiny_bundle).fingerprint
        assert library.status().bundle == "tiny"
    with Library.open(tmp_path / "lib", bundle=load_bundle(tiny_bundle)) as library:
        assert library.bundle.name == "tiny"


def test_create_opens_what_is_there(tmp_path: Path, tiny_bundle: Path, sounds: Path) -> None:
    with Library.open(tmp_path / "lib", bundle=tiny_bundle, create=True) as library:
        library.index([sounds])
    with Library.open(tmp_path / "lib", create=True) as library:
        assert library.status().clips == 5


def test_the_model_is_found_by_its_name(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "first" / "tiny")
    Library.open(tmp_path / "lib", bundle=tmp_path / "first" / "tiny", create=True).close()
    (tmp_path / "first").rename(tmp_path / "models")
    monkeypatch.setenv("SOUNDSEEK_MODELS", str(tmp_path / "models"))
    with Library.open(tmp_path / "lib") as library:
        assert library.bundle.folder == tmp_path / "models" / "tiny"


def test_the_model_is_gone(tmp_path: Path, other_bundle: Path, sounds: Path) -> None:
    with Library.open(tmp_path / "lib", bundle=other_bundle, create=True) as library:
        library.index([sounds])
    shutil.rmtree(other_bundle)
    with Library.open(tmp_path / "lib") as library:
        assert library.status().clips == 5  # what needs no model still works
        with pytest.raises(LibraryError, match=r"'other', fingerprint .*\n.*--rebuild"):
            _ = library.bundle


def test_another_model_is_refused(tmp_path: Path, tiny_bundle: Path, other_bundle: Path) -> None:
    Library.open(tmp_path / "lib", bundle=tiny_bundle, create=True).close()
    with pytest.raises(
        LibraryError,
        match=r"made with the model 'tiny' \(\w{12}\), not with 'other' .*\n"
        r".*--rebuild --model other.*--library",
    ):
        Library.open(tmp_path / "lib", bundle=other_bundle)


def test_rebuild_takes_another_model(
    tmp_path: Path, tiny_bundle: Path, other_bundle: Path, sounds: Path
) -> None:
    with Library.open(tmp_path / "lib", bundle=tiny_bundle, create=True) as library:
        library.index([sounds], tags=["kept"])
    with Library.open(tmp_path / "lib", bundle=other_bundle, rebuild=True) as library:
        status = library.status()
        assert (status.clips, status.files, status.missing, status.bundle) == (0, 0, 5, "other")
        report = library.index([], rebuild=True)
        assert (report.added, report.missing) == (5, 0)
        assert library.verify().ok
        assert library.database.query("SELECT DISTINCT tags FROM files") == [("kept",)]


def test_rebuild_with_the_same_model_keeps_what_is_there(
    tmp_path: Path, tiny_bundle: Path, sounds: Path
) -> None:
    with Library.open(tmp_path / "lib", bundle=tiny_bundle, create=True) as library:
        library.index([sounds])
    with Library.open(tmp_path / "lib", rebuild=True) as library:
        assert library.status().clips == 5


@pytest.mark.parametrize("damage", ["text", "schema", "foreign"])
def test_rebuild_puts_aside_what_it_cannot_read(
    tmp_path: Path, tiny_bundle: Path, sounds: Path, damage: str
) -> None:
    path = tmp_path / "lib" / DATABASE_FILE
    Library.open(tmp_path / "lib", bundle=tiny_bundle, create=True).close()
    if damage == "text":
        path.write_text("not a database " * 300)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute(
                "UPDATE meta SET value = '9' WHERE key = 'schema_version'"
                if damage == "schema"
                else "PRAGMA application_id = 1"
            )
        connection.close()
    content = path.read_bytes()
    with pytest.raises(LibraryError):
        Library.open(tmp_path / "lib", create=True)
    with Library.open(tmp_path / "lib", bundle=tiny_bundle, rebuild=True) as library:
        assert library.index([sounds]).added == 5
    assert path.with_name("library.db.old").read_bytes() == content


def test_rebuild_makes_a_library_where_there_is_none(tmp_path: Path, tiny_bundle: Path) -> None:
    with Library.open(tmp_path / "lib", bundle=tiny_bundle, rebuild=True) as library:
        assert library.status().clips == 0


def test_nothing_there(tmp_path: Path, tiny_bundle: Path) -> None:
    with pytest.raises(LibraryError, match=r"no library in .*lib\n.*soundseek index FOLDER"):
        Library.open(tmp_path / "lib")
    assert not (tmp_path / "lib").exists()
    with pytest.raises(BundleError):
        Library.open(tmp_path / "lib", bundle=tmp_path / "no-bundle", create=True)
    assert not (tmp_path / "lib").exists()
    (tmp_path / "file").touch()
    with pytest.raises(LibraryError, match="cannot make the folder"):
        Library.open(tmp_path / "file" / "lib", bundle=tiny_bundle, create=True)
    with pytest.raises(LibraryError, match="there is no library"):
        Library.open(tmp_path / "file")


def test_reports_do_not_change(library: Library) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        library.status().clips = 7  # type: ignore[misc]
