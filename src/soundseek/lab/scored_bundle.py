"""A bundle with its scores: written once to be measured through the runtime, as a user would meet
it, and then with what was measured."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from soundseek.bundle.load import load_bundle
from soundseek.bundle.runtime import Bundle
from soundseek.bundle.schema import BundleManifest, Calibration
from soundseek.bundle.write import write_bundle


class Networks(NamedTuple):
    """The two ONNX files and the tokenizer's JSON."""

    audio_onnx: bytes
    text_onnx: bytes
    tokenizer_json: str


class Measured(NamedTuple):
    """`scores`: sets of clips by name, each with its n and its metrics, ready for JSON."""

    scores: dict[str, Any]
    calibration: Calibration


def write_scored(
    destination: Path,
    manifest: BundleManifest,
    networks: Networks,
    *,
    measure: Callable[[Bundle], Measured],
    card: Callable[[dict[str, Any]], str],
    say: Callable[[str], None],
) -> Path:
    """Write the bundle; `manifest` comes without calibration and scores, `card` makes the model
    card of the scores. Returns the folder.

    Raises `BundleError` if `destination` is taken or the manifest would be refused.
    """
    contents = networks._asdict()
    with tempfile.TemporaryDirectory() as folder:
        draft = write_bundle(Path(folder) / "draft", manifest, **contents, model_card="draft\n")
        say("scoring through the runtime")
        scores, calibration = measure(load_bundle(draft))
    manifest = dataclasses.replace(
        manifest,
        similarity=dataclasses.replace(manifest.similarity, calibration=calibration),
        provenance=dataclasses.replace(manifest.provenance, scores=scores),
    )
    written = write_bundle(destination, manifest, **contents, model_card=card(scores))
    load_bundle(written).verify()
    say(f"wrote {written}")
    return written
