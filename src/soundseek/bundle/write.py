"""Puts a model together on disk."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from soundseek.bundle.fingerprint import sha256_of_bytes
from soundseek.bundle.manifests import FileRecord
from soundseek.bundle.schema import (
    AUDIO_FILE,
    CARD_FILE,
    MANIFEST_FILE,
    TEXT_FILE,
    TOKENIZER_FILE,
    BundleManifest,
)
from soundseek.errors import BundleError


def write_bundle(
    folder: Path,
    manifest: BundleManifest,
    *,
    audio_onnx: bytes | Path,
    text_onnx: bytes | Path,
    tokenizer_json: str,
    model_card: str,
) -> Path:
    """Write a bundle to `folder` and return the folder.

    `manifest` comes without `files`, which are recorded here. A network is given as its bytes or
    as the path of a self-contained ONNX file; the tokenizer and the card as their text. All is
    written beside `folder` first and then renamed, so that a bundle is there whole or not at all.

    Raises `BundleError` if `folder` exists and is not empty, or if the manifest would be refused
    by those who read it.
    """
    folder = unclaimed(folder)
    contents = {
        AUDIO_FILE: bytes_of(audio_onnx),
        TEXT_FILE: bytes_of(text_onnx),
        TOKENIZER_FILE: tokenizer_json.encode(),
        CARD_FILE: model_card.encode(),
    }
    manifest = dataclasses.replace(manifest, files=records_of(contents))
    BundleManifest.from_dict(manifest.to_dict(), where=str(folder / MANIFEST_FILE))
    place(folder, {**contents, MANIFEST_FILE: manifest.to_json()})
    return folder


def unclaimed(folder: Path) -> Path:
    """Return `folder`; `BundleError` if something is there."""
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BundleError(f"{folder} exists already", remedy="remove it or choose another name")
    return folder


def bytes_of(network: bytes | Path) -> bytes:
    """Return a network's bytes, or those of the file it is in."""
    return network if isinstance(network, bytes) else network.read_bytes()


def records_of(contents: Mapping[str, bytes]) -> dict[str, FileRecord]:
    """Return hash and size of every file."""
    return {
        name: FileRecord(sha256_of_bytes(content), len(content))
        for name, content in contents.items()
    }


def place(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files `contents` beside `folder` and rename: it is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, content in contents.items():
            (draft / name).write_bytes(content)
        # mkdtemp makes a private folder; a bundle is as readable as the files in it.
        draft.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
