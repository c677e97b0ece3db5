from __future__ import annotations

import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from soundseek.errors import DataError
from soundseek.lab.data.archives import extract, is_archive

pytestmark = pytest.mark.lab


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content.encode()))
    return path


def tree(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


@pytest.mark.parametrize(("pack", "name"), [(zipped, "a.zip"), (tarred, "a.tar.gz")])
def test_parts_of_a_corpus_share_folders(tmp_path: Path, pack: object, name: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = pack(tmp_path / "one" / name, {"audio/1.wav": "one", "meta.csv": "old"})
    second = pack(tmp_path / "two" / name, {"audio/2.wav": "two", "meta.csv": "new"})
    for archive in (first, second):
        extract(archive, tmp_path / "corpus")
    assert tree(tmp_path / "corpus") == {
        "audio/1.wav": "one",
        "audio/2.wav": "two",
        "meta.csv": "new",
    }


@pytest.mark.parametrize(("pack", "name"), [(zipped, "a.zip"), (tarred, "a.tar.gz")])
def test_nothing_is_written_outside(tmp_path: Path, pack: object, name: str) -> None:
    archive = pack(tmp_path / name, {"fine.txt": "x", "../outside.txt": "x"})
    with pytest.raises(DataError, match="points outside"):
        extract(archive, tmp_path / "corpus")
    assert tree(tmp_path / "corpus") == {}
    assert not (tmp_path / "outside.txt").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as packed:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "target"
        packed.addfile(info)
    with pytest.raises(DataError, match="holds a link, link"):
        extract(tmp_path / "a.tar", tmp_path / "corpus")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_damaged_archive(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="is damaged"):
        extract(tmp_path / name, tmp_path / "corpus")
    assert list((tmp_path / "corpus").iterdir()) == []


def test_a_zip_in_parts_says_how_to_join_it(tmp_path: Path) -> None:
    (tmp_path / "FSD50K.dev_audio.z01").write_bytes(b"part")
    archive = zipped(tmp_path / "FSD50K.dev_audio.zip", {"x": "y"})
    with pytest.raises(DataError, match=r"several parts\n.*zip -s 0 "):
        extract(archive, tmp_path / "corpus")


def test_what_is_no_archive(tmp_path: Path) -> None:
    assert [is_archive(name) for name in ("a.7z", "A.ZIP", "a.tgz", "a.csv")] == [
        *(True, True, True),
        False,
    ]
    with pytest.raises(DataError, match="is no archive"):
        extract(tmp_path / "a.csv", tmp_path)
    with pytest.raises(DataError, match="there is no"):
        extract(tmp_path / "a.zip", tmp_path)


def test_7z_without_a_tool_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.7z").write_bytes(b"packed")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"needs 7-Zip.*\n.*apt install 7zip"):
        extract(tmp_path / "a.7z", tmp_path / "corpus")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script")
def test_7z_with_a_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "bin" / "7z"
    tool.parent.mkdir()
    tool.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys\n"
        "assert sys.argv[1:3] == ['x', '-y'] and sys.argv[3].startswith('-o')\n"
        "if pathlib.Path(sys.argv[4]).read_bytes() != b'packed': sys.exit('Headers Error')\n"
        "pathlib.Path(sys.argv[3][2:], 'x.wav').write_text('sound')\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent))
    (tmp_path / "a.7z").write_bytes(b"packed")
    extract(tmp_path / "a.7z", tmp_path / "corpus")
    assert tree(tmp_path / "corpus") == {"x.wav": "sound"}
    (tmp_path / "a.7z").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"cannot unpack .*: Headers Error"):
        extract(tmp_path / "a.7z", tmp_path / "corpus")
