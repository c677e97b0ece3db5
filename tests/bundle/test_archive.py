from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundseek.bundle.archive import pack, unpack
from soundseek.bundle.check import read_manifest
from soundseek.bundle.schema import CONTENT_FILES
from soundseek.errors import BundleError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOUNDSEEK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bundles"


@pytest.fixture
def archive(tmp_path: Path, tiny_bundle: Path) -> Path:
    return pack(tiny_bundle, tmp_path / "tiny.soundseek")


def repacked(archive: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """Write the archive anew with its members (name to content) changed by `change`."""
    with zipfile.ZipFile(archive) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    change(members)
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return archive


def test_packing_and_unpacking_gives_the_same_bundle(
    archive: Path, tiny_bundle: Path, cache: Path
) -> None:
    folder = unpack(archive)
    assert folder == cache / read_manifest(tiny_bundle)[1]
    for path in tiny_bundle.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes()
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_packing_twice_gives_the_same_bytes(
    archive: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    assert pack(tiny_bundle, tmp_path / "b.soundseek").read_bytes() == archive.read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_unpacking_again_reuses_the_folder(archive: Path) -> None:
    folder = unpack(archive)
    before = (folder / "audio.onnx").stat().st_mtime_ns
    assert unpack(archive) == folder
    assert (folder / "audio.onnx").stat().st_mtime_ns == before


def test_a_damaged_cache_is_unpacked_anew(archive: Path, tiny_bundle: Path) -> None:
    folder = unpack(archive)
    (folder / "text.onnx").write_bytes(b"half")
    unpack(archive)
    assert (folder / "text.onnx").read_bytes() == (tiny_bundle / "text.onnx").read_bytes()


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/evil.txt", "..\\evil.txt", "extra.txt"])
def test_members_beyond_the_bundle_are_refused(archive: Path, name: str, cache: Path) -> None:
    repacked(archive, lambda members: members.update({name: b"evil"}))
    with pytest.raises(BundleError, match="unexpected"):
        unpack(archive)
    assert not cache.exists()


def test_a_member_that_is_there_twice_is_refused(archive: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(archive, "a") as packed:
        packed.writestr("audio.onnx", b"another")
    with pytest.raises(BundleError, match="in it twice"):
        unpack(archive)


def test_a_missing_member_is_named(archive: Path) -> None:
    repacked(archive, lambda members: members.pop("tokenizer.json"))
    with pytest.raises(BundleError, match=r"missing: \['tokenizer.json'\]"):
        unpack(archive)


def test_a_member_of_another_size_is_refused(archive: Path, cache: Path) -> None:
    repacked(archive, lambda members: members.update({"audio.onnx": bytes(10_000_000)}))
    with pytest.raises(BundleError, match="10000000 bytes instead of"):
        unpack(archive)
    assert not cache.exists()


def test_an_altered_member_of_the_same_size_is_refused(archive: Path, cache: Path) -> None:
    def alter(members: dict[str, bytes]) -> None:
        members["audio.onnx"] = members["audio.onnx"][:-1] + b"\x00"

    repacked(archive, alter)
    with pytest.raises(BundleError, match=r"audio\.onnx has been altered"):
        unpack(archive)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.soundseek"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"bad\.soundseek"):
        unpack(path)


def test_a_truncated_archive_is_refused(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(BundleError, match="cannot unpack"):
        unpack(archive)


def test_packing_refuses_a_damaged_bundle_and_another_suffix(
    tmp_path: Path, tiny_bundle: Path
) -> None:
    damaged = Path(shutil.copytree(tiny_bundle, tmp_path / "damaged"))
    (damaged / "MODEL_CARD.md").write_text("changed")
    with pytest.raises(BundleError, match=r"MODEL_CARD\.md"):
        pack(damaged, tmp_path / "x.soundseek")
    with pytest.raises(BundleError, match=r"must end in \.soundseek"):
        pack(tiny_bundle, tmp_path / "x.zip")


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_whatever_byte_is_wrong_the_bundle_is_refused_or_whole(
    archive: Path, tiny_bundle: Path, cache: Path, data: st.DataObject
) -> None:
    sound = archive.read_bytes()
    damaged = bytearray(sound)
    # Half of the errors go into the directory at the end, where they do most.
    start = data.draw(st.sampled_from([0, len(sound) - 500]))
    damaged[data.draw(st.integers(start, len(sound) - 1))] = data.draw(st.integers(0, 255))
    path = archive.with_name("damaged.soundseek")
    path.write_bytes(damaged)
    shutil.rmtree(cache, ignore_errors=True)
    try:
        folder = unpack(path)
    except BundleError:
        return
    assert read_manifest(folder)[1] == folder.name
    for name in CONTENT_FILES:
        assert (folder / name).read_bytes() == (tiny_bundle / name).read_bytes()


def test_a_cache_that_cannot_be_written_is_named(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SOUNDSEEK_CACHE", str(tmp_path / "file"))
    with pytest.raises(BundleError, match="must be writable"):
        unpack(archive)
