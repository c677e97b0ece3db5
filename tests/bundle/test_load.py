from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from soundseek.bundle import catalogue, places
from soundseek.bundle.archive import pack
from soundseek.bundle.load import load_bundle
from soundseek.errors import BundleError, SoundseekError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own: embedded models, the user's models, and the cache."""
    (tmp_path / "embedded").mkdir()
    (tmp_path / "user").mkdir()
    monkeypatch.setattr(catalogue, "embedded_folder", lambda: tmp_path / "embedded")
    monkeypatch.setenv("SOUNDSEEK_MODELS", str(tmp_path / "user"))
    monkeypatch.setenv("SOUNDSEEK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def install(tiny_bundle: Path, target: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, target))


def test_by_path_by_name_and_packed(home: Path, tiny_bundle: Path) -> None:
    install(tiny_bundle, home / "user" / "mine")
    pack(tiny_bundle, home / "user" / "packed.soundseek")
    opened = [
        load_bundle(tiny_bundle),
        load_bundle(str(tiny_bundle)),
        load_bundle("mine"),
        load_bundle("packed"),
        load_bundle("user/packed.soundseek"),
        load_bundle(home / "user" / "packed.soundseek"),
    ]
    assert len({bundle.fingerprint for bundle in opened}) == 1
    assert all(bundle.encode_text("a tone").shape == (1, 32) for bundle in opened)


def test_a_folder_here_needs_no_separator(home: Path, tiny_bundle: Path) -> None:
    install(tiny_bundle, home / "here")
    assert load_bundle("here").name == "tiny"


def test_nothing_named_is_the_embedded_default(home: Path, tiny_bundle: Path) -> None:
    install(tiny_bundle, home / "embedded" / "first")
    (home / "embedded" / "DEFAULT").write_text("first\n")
    assert load_bundle().folder == home / "embedded" / "first"
    assert catalogue.default_name() == "first"


def test_a_missing_default_says_so(home: Path) -> None:
    with pytest.raises(BundleError, match="no embedded model"):
        load_bundle()
    (home / "embedded" / "DEFAULT").write_text("gone\n")
    with pytest.raises(BundleError, match="'gone' is missing"):
        load_bundle()


def test_the_catalogue_lists_bundles_only(home: Path, tiny_bundle: Path) -> None:
    install(tiny_bundle, home / "embedded" / "b")
    install(tiny_bundle, home / "embedded" / "a")
    install(tiny_bundle, home / "user" / ".hidden")
    pack(tiny_bundle, home / "user" / "c.soundseek")
    (home / "user" / "empty").mkdir()
    (home / "user" / "notes.txt").write_text("")
    found = [(entry.name, entry.origin) for entry in catalogue.entries()]
    assert found == [("a", "embedded"), ("b", "embedded"), ("c", "user")]


def test_an_unknown_name_lists_the_choices_and_the_nearest(home: Path, tiny_bundle: Path) -> None:
    install(tiny_bundle, home / "user" / "clotho-large")
    install(tiny_bundle, home / "user" / "small")
    with pytest.raises(BundleError, match=r"known: clotho-large, small.*\n.*'clotho-large'\?"):
        load_bundle("cloto-large")


def test_an_unknown_name_where_nothing_is_installed(home: Path) -> None:
    with pytest.raises(BundleError, match="none is installed"):
        load_bundle("any")


def test_a_name_used_twice_is_an_error(home: Path, tiny_bundle: Path) -> None:
    install(tiny_bundle, home / "embedded" / "same")
    install(tiny_bundle, home / "user" / "same")
    with pytest.raises(BundleError, match="2 bundles are called 'same'"):
        load_bundle("same")


@pytest.mark.parametrize("path", ["no/such/model", "gone.soundseek/", Path("gone")])
def test_a_missing_path_is_named(path: str | Path) -> None:
    with pytest.raises(BundleError, match="no model bundle"):
        load_bundle(path)


def test_a_folder_without_manifest_is_refused(home: Path) -> None:
    with pytest.raises(BundleError, match=r"cannot read bundle\.json \(No such file"):
        load_bundle(home / "user")


def test_sizes_are_checked_on_loading(home: Path, tiny_bundle: Path) -> None:
    folder = install(tiny_bundle, home / "user" / "broken")
    os.truncate(folder / "audio.onnx", 100)
    (folder / "text.onnx").unlink()
    with pytest.raises(BundleError, match=r"audio\.onnx has 100 bytes .*; text\.onnx is missing"):
        load_bundle("broken")


def test_verify_finds_an_alteration_of_the_same_size(home: Path, tiny_bundle: Path) -> None:
    folder = install(tiny_bundle, home / "user" / "altered")
    card = (folder / "MODEL_CARD.md").read_text()
    (folder / "MODEL_CARD.md").write_text(card.replace("tiny", "evil"))
    bundle = load_bundle("altered")
    with pytest.raises(BundleError, match=r"MODEL_CARD\.md has been altered"):
        bundle.verify()


def test_a_newer_bundle_is_refused(home: Path, tiny_bundle: Path) -> None:
    folder = install(tiny_bundle, home / "user" / "newer")
    document = json.loads((folder / "bundle.json").read_bytes())
    (folder / "bundle.json").write_text(json.dumps(document | {"schema_version": 9}))
    with pytest.raises(BundleError, match="upgrade soundseek"):
        load_bundle("newer")


def test_default_places_follow_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SOUNDSEEK_MODELS", "SOUNDSEEK_CACHE"):
        monkeypatch.delenv(variable)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert places.user_folder() == Path("/data/soundseek/models")
    assert places.unpacked_folder() == Path.home() / ".cache/soundseek/bundles"
    monkeypatch.setattr("sys.platform", "darwin")
    assert places.user_folder() == Path.home() / "Library/Application Support/soundseek/models"
    assert places.unpacked_folder() == Path.home() / "Library/Caches/soundseek/bundles"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert places.user_folder() == Path("/local/soundseek/models")
    assert places.unpacked_folder() == Path("/local/soundseek/bundles")


def test_an_empty_name_is_not_the_current_folder(home: Path) -> None:
    with pytest.raises(BundleError, match="name of the model is empty"):
        load_bundle("")


def test_the_home_of_nobody_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDSEEK_MODELS", "~no-such-user/models")
    assert places.user_folder() == Path("~no-such-user/models")
    assert places.expanded("~/models") == Path.home() / "models"


def test_without_a_home_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("SOUNDSEEK_MODELS")
    with pytest.raises(SoundseekError, match="SOUNDSEEK_LIBRARY"):
        places.data_home()
    assert all(entry.origin == "embedded" for entry in catalogue.entries())
