from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest

from soundseek.bundle.captioning.catalogue import read_manifest
from soundseek.bundle.captioning.schema import CONTENT_FILES
from soundseek.bundle.captioning.write import write_captioner
from soundseek.errors import BundleError
from support.tiny_captioner import make_tiny_captioner, tiny_manifest


def test_records_size_and_hash_of_every_file(tmp_path: Path, tiny_bundle: Path) -> None:
    folder = make_tiny_captioner(tmp_path / "deep" / "captions", tiny_bundle)
    manifest, mark = read_manifest(folder)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([*CONTENT_FILES, "captioner.json"])
    for name in CONTENT_FILES:
        content = (folder / name).read_bytes()
        assert manifest.files[name].bytes == len(content)
        assert manifest.files[name].sha256 == hashlib.sha256(content).hexdigest()
    assert mark == hashlib.sha256((folder / "captioner.json").read_bytes()).hexdigest()
    with pytest.raises(BundleError, match="exists already"):
        make_tiny_captioner(folder, tiny_bundle)


def test_a_bad_manifest_leaves_nothing_behind(tmp_path: Path, tiny_bundle: Path) -> None:
    manifest = dataclasses.replace(tiny_manifest(tiny_bundle), most_windows=0)
    with pytest.raises(BundleError, match="most_windows"):
        write_captioner(
            tmp_path / "captions",
            manifest,
            memory_onnx=b"",
            decoder_onnx=b"",
            tokenizer_json="",
            model_card="",
        )
    assert list(tmp_path.iterdir()) == []
