"""Puts a captioner together on disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from soundseek.bundle.captioning.schema import (
    CARD_FILE,
    DECODER_FILE,
    MANIFEST_FILE,
    MEMORY_FILE,
    TOKENIZER_FILE,
    CaptionerManifest,
)
from soundseek.bundle.write import bytes_of, place, records_of, unclaimed


def write_captioner(
    folder: Path,
    manifest: CaptionerManifest,
    *,
    memory_onnx: bytes | Path,
    decoder_onnx: bytes | Path,
    tokenizer_json: str,
    model_card: str,
) -> Path:
    """Write a captioner to `folder` and return the folder.

    `manifest` comes without `files`, which are recorded here. A network is given as its bytes or
    as the path of a self-contained ONNX file; the tokenizer and the card as their text. All is
    written beside `folder` first and then renamed, so that it is there whole or not at all.

    memory.onnx: `vectors` float32 [batch, windows, dimension], `lengths` int64 [batch] → `memory`
    float32 [batch, steps, width], `memory_mask` int64 [batch, steps] (1 where it is to be read).
    decoder.onnx: `ids` int64 [n, tokens] (begin and all that was written), `memory`,
    `memory_mask` → `logits` float32 [n, vocabulary] of the next token.

    Raises `BundleError` if `folder` exists and is not empty, or if the manifest would be refused
    by those who read it.
    """
    folder = unclaimed(folder)
    contents = {
        MEMORY_FILE: bytes_of(memory_onnx),
        DECODER_FILE: bytes_of(decoder_onnx),
        TOKENIZER_FILE: tokenizer_json.encode(),
        CARD_FILE: model_card.encode(),
    }
    manifest = dataclasses.replace(manifest, files=records_of(contents))
    CaptionerManifest.from_dict(manifest.to_dict(), where=str(folder / MANIFEST_FILE))
    place(folder, {**contents, MANIFEST_FILE: manifest.to_json()})
    return folder
