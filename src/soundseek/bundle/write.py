"""Puts a bundle together on disk."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

from soundseek.bundle.fingerprint import sha256_of_bytes
from soundseek.bundle.schema import (
    AUDIO_FILE,
    CARD_FILE,
    MANIFEST_FILE,
    TEXT_FILE,
    TOKENIZER_FILE,
    BundleManifest,
    FileRecord,
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
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BundleError(f"{folder} exists already", remedy="remove it or choose another name")
    contents = {
        AUDIO_FILE: _bytes_of(audio_onnx),
        TEXT_FILE: _bytes_of(text_onnx),
        TOKENIZER_FILE: tokenizer_json.encode(),
        CARD_FILE: model_card.encode(),
    }
    records = {
        name: FileRecord(sha256_of_bytes(content), len(content))
        for name, content in contents.items()
    }
    manifest = dataclasses.replace(manifest, files=records)
    BundleManifest.from_dict(manifest.to_dict(), where=str(folder / MANIFEST_FILE))

    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, content in contents.items():
            (draft / name).write_bytes(content)
        (draft / MANIFEST_FILE).write_bytes(manifest.to_json())
        # mkdtemp makes a private folder; a bundle is as readable as the files in it.
        draft.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return folder


def _bytes_of(network: bytes | Path) -> bytes:
    return network if isinstance(network, bytes) else network.read_bytes()
