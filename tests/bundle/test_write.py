from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest

from soundseek.bundle.check import check_hashes, read_manifest
from soundseek.bundle.schema import CONTENT_FILES
from soundseek.bundle.write import write_bundle
from soundseek.errors import BundleError
from support.tiny_bundle import make_tiny_bundle


@pytest.fixture
def parts(tiny_bundle: Path) -> dict[str, Any]:
    manifest, _ = read_manifest(tiny_bundle)
    return {
        "manifest": dataclasses.replace(manifest, files={}),
        "audio_onnx": tiny_bundle / "audio.onnx",
        "text_onnx": (tiny_bundle / "text.onnx").read_bytes(),
        "tokenizer_json": (tiny_bundle / "tokenizer.json").read_text(encoding="utf-8"),
        "model_card": "# Ünïcode\n",
    }


def test_records_size_and_hash_of_every_file(tmp_path: Path, parts: dict[str, Any]) -> None:
    folder = write_bundle(tmp_path / "deep" / "er" / "model", **parts)
    manifest, mark = read_manifest(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*CONTENT_FILES, "bundle.json"])
    for name in CONTENT_FILES:
        content = (folder / name).read_bytes()
        assert manifest.files[name].bytes == len(content)
        assert manifest.files[name].sha256 == hashlib.sha256(content).hexdigest()
    assert mark == hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()
    assert (folder / "MODEL_CARD.md").read_text(encoding="utf-8") == "# Ünïcode\n"
    check_hashes(folder, manifest)


def test_the_tiny_bundle_is_always_the_same(tmp_path: Path, tiny_bundle: Path) -> None:
    again = make_tiny_bundle(tmp_path / "again")
    assert read_manifest(again)[1] == read_manifest(tiny_bundle)[1]


def test_an_empty_folder_is_taken_and_a_full_one_refused(
    tmp_path: Path, parts: dict[str, Any]
) -> None:
    (tmp_path / "model").mkdir()
    write_bundle(tmp_path / "model", **parts)
    with pytest.raises(BundleError, match="exists already"):
        write_bundle(tmp_path / "model", **parts)


def test_a_bad_manifest_leaves_nothing_behind(tmp_path: Path, parts: dict[str, Any]) -> None:
    parts["manifest"] = dataclasses.replace(parts["manifest"], dimension=0)
    with pytest.raises(BundleError, match="dimension"):
        write_bundle(tmp_path / "model", **parts)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_write_leaves_nothing_behind(
    tmp_path: Path, parts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_bundle(tmp_path / "model", **parts)
    assert list(tmp_path.iterdir()) == []
