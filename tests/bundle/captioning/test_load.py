from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import soundseek
from soundseek.bundle import catalogue as bundles
from soundseek.bundle.captioning import catalogue
from soundseek.bundle.captioning.load import bundle_for, load_captioner
from soundseek.bundle.load import load_bundle
from soundseek.errors import BundleError
from support.tiny_captioner import make_tiny_captioner


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own: embedded models and the user's."""
    (tmp_path / "embedded").mkdir()
    (tmp_path / "user").mkdir()
    monkeypatch.setattr(bundles, "embedded_folder", lambda: tmp_path / "embedded")
    monkeypatch.setenv("SOUNDSEEK_MODELS", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def install(captioner: Path, target: Path) -> Path:
    return Path(shutil.copytree(captioner, target))


def for_another_bundle(captioner: Path, target: Path) -> Path:
    folder = install(captioner, target)
    document = json.loads((folder / "captioner.json").read_bytes())
    document["hears"] |= {"name": "other", "fingerprint": "0" * 64}
    (folder / "captioner.json").write_text(json.dumps(document))
    return folder


def test_by_path_and_by_name(home: Path, tiny_captioner: Path) -> None:
    install(tiny_captioner, home / "user" / "mine")
    install(tiny_captioner, home / "here")
    opened = [
        load_captioner(tiny_captioner),
        load_captioner(str(tiny_captioner)),
        load_captioner("mine"),
        load_captioner("here"),
        soundseek.load_captioner("user/mine"),
    ]
    assert len({one.fingerprint for one in opened}) == 1
    assert opened[0].name == "tiny-captions"


def test_nothing_named_is_the_default(home: Path, tiny_captioner: Path) -> None:
    folder = install(tiny_captioner, home / "embedded" / "first")
    install(tiny_captioner, home / "embedded" / "second")
    (home / "embedded" / "DEFAULT_CAPTIONER").write_text("first\n")
    assert load_captioner().folder == folder
    assert catalogue.default_name() == "first"


def test_a_missing_default_says_so(home: Path, tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"no captioner for the embedded model.*\n.*put the fol"):
        load_captioner()
    (home / "embedded" / "DEFAULT_CAPTIONER").write_text("gone\n")
    with pytest.raises(BundleError, match="no captioner for the embedded model"):
        load_captioner()
    with pytest.raises(BundleError, match="no captioner for the model 'tiny' is installed"):
        load_captioner(bundle=load_bundle(tiny_bundle))


def test_the_one_that_fits_the_bundle_is_found(
    home: Path, tiny_captioner: Path, tiny_bundle: Path
) -> None:
    bundle = load_bundle(tiny_bundle)
    for_another_bundle(tiny_captioner, home / "embedded" / "a")
    damaged = install(tiny_captioner, home / "user" / "b")
    (damaged / "captioner.json").write_text("{")
    with pytest.raises(BundleError, match=r"is installed; one cannot be used: .*b.captioner\.json"):
        load_captioner(bundle=bundle)
    fitting = install(tiny_captioner, home / "user" / "c")
    assert load_captioner(bundle=bundle).folder == fitting


def test_of_several_that_fit_the_default_is_taken(
    home: Path, tiny_captioner: Path, tiny_bundle: Path
) -> None:
    bundle = load_bundle(tiny_bundle)
    install(tiny_captioner, home / "user" / "a")
    install(tiny_captioner, home / "embedded" / "b")
    with pytest.raises(BundleError, match="2 captioners fit 'tiny': b, a"):
        load_captioner(bundle=bundle)
    (home / "embedded" / "DEFAULT_CAPTIONER").write_text("b")
    assert load_captioner(bundle=bundle).folder == home / "embedded" / "b"


def test_a_captioner_for_another_bundle_is_refused(
    home: Path, tiny_captioner: Path, tiny_bundle: Path
) -> None:
    folder = for_another_bundle(tiny_captioner, home / "user" / "a")
    message = r"reads the vectors of 'other' \(000000000000\), not of 'tiny'.*\n.*use it with 'oth"
    with pytest.raises(BundleError, match=message):
        load_captioner(folder, bundle=load_bundle(tiny_bundle))


def test_the_bundle_that_a_captioner_reads(
    home: Path, tiny_captioner: Path, tiny_bundle: Path
) -> None:
    captioner = load_captioner(tiny_captioner)
    install(tiny_bundle, home / "embedded" / "damaged")
    (home / "embedded" / "damaged" / "bundle.json").write_text("{")
    with pytest.raises(BundleError, match=r"the model 'tiny' .* not installed"):
        bundle_for(captioner)
    install(tiny_bundle, home / "user" / "any")
    assert bundle_for(captioner).fingerprint == captioner.hears


def test_sizes_are_checked_on_loading(home: Path, tiny_captioner: Path) -> None:
    folder = install(tiny_captioner, home / "user" / "broken")
    os.truncate(folder / "decoder.onnx", 100)
    (folder / "memory.onnx").unlink()
    with pytest.raises(BundleError, match=r"memory\.onnx is missing; decoder\.onnx has 100 bytes"):
        load_captioner("broken")


def test_a_newer_captioner_is_refused(home: Path, tiny_bundle: Path) -> None:
    folder = make_tiny_captioner(home / "user" / "newer", tiny_bundle)
    document = json.loads((folder / "captioner.json").read_bytes())
    (folder / "captioner.json").write_text(json.dumps(document | {"schema_version": 9}))
    with pytest.raises(BundleError, match="upgrade soundseek"):
        load_captioner("newer")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "name of the captioner is empty"),
        ("no/such", "no captioner at"),
        ("mime", r"no captioner called 'mime' \(known: mine\)\n.*did you mean 'mine'"),
        (Path("gone"), "no captioner at gone"),
    ],
)
def test_a_name_of_none_is_refused(
    home: Path, tiny_captioner: Path, name: str | Path, message: str
) -> None:
    install(tiny_captioner, home / "user" / "mine")
    with pytest.raises(BundleError, match=message):
        load_captioner(name)


def test_a_bundle_is_no_captioner(tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"is no captioner: cannot read captioner\.json"):
        load_captioner(tiny_bundle)


def test_captioners_are_not_among_the_bundles(home: Path, tiny_captioner: Path) -> None:
    install(tiny_captioner, home / "user" / "mine")
    assert bundles.entries() == []
    assert [entry.name for entry in catalogue.entries()] == ["mine"]
