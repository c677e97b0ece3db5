"""The rows of bench/engines.py: every version of a bundle's graphs, written into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine_parts.quality import stacked, tapped_sounds
from engine_parts.quantise import Int8, dynamic_int8, folded, static_int8
from engine_parts.running import Kind, has_openvino
from soundseek.audio.frontends import n_frames
from soundseek.bundle.runtime import Bundle
from soundseek.bundle.schema import AUDIO_FILE, TEXT_FILE
from soundseek.lab.data.manifest import Clip
from soundseek.lab.onnx_export import with_half_weights

INT8 = {
    "int8": Int8(),
    "int8, ends and depthwise in float": Int8(keep="depthwise"),
    "the same, 7 bits": Int8(keep="depthwise", seven_bits=True),
}
CALIBRATION_BATCH = 4


def sound_kinds(
    bundle: Bundle, run: Path | None, learnt: Sequence[Clip], folder: Path
) -> list[Kind]:
    """float32 first; `learnt` are clips to calibrate on, without any there is no int8."""
    shipped = bundle.folder / AUDIO_FILE
    whole = folded(shipped, folder / "audio-32.onnx")
    if run is not None:
        from soundseek.lab.distilled.export import audio_graph
        from soundseek.lab.distilled.trained import load_trained

        _, tower, _ = load_trained(run)
        audio = bundle.manifest.audio
        whole.write_bytes(audio_graph(tower, n_frames(audio.window_samples, audio.frontend)))
    half = _halved(whole, folder / "audio-16.onnx")
    kinds = [Kind("float32", whole), Kind("float16 kept", half)]
    if learnt:
        kinds += _static(bundle, whole, learnt, folder)
    if has_openvino():
        quantised = [kind for kind in kinds if kind.name in list(INT8)[:2]]
        kinds.append(Kind("OpenVINO, float32", half, "openvino"))
        kinds.append(Kind("OpenVINO, bfloat16", half, "openvino", "bf16"))
        kinds += [Kind(f"OpenVINO, {k.name}", k.path, "openvino") for k in quantised]
    return kinds


def _static(bundle: Bundle, whole: Path, learnt: Sequence[Clip], folder: Path) -> list[Kind]:
    windows = stacked(tapped_sounds(bundle, learnt))
    batches = [
        {name: values[at : at + CALIBRATION_BATCH] for name, values in windows.items()}
        for at in range(0, len(windows["lengths"]), CALIBRATION_BATCH)
    ]
    # A shuffle, so that a part of them would do as well.
    batches = [batches[at] for at in np.random.default_rng(0).permutation(len(batches))[:100]]
    flat = folded(whole, folder / "audio-flat.onnx")
    return [
        Kind(name, static_int8(flat, folder / f"audio-8-{number}.onnx", batches, choice))
        for number, (name, choice) in enumerate(INT8.items())
    ]


def text_kinds(bundle: Bundle, run: Path | None, folder: Path) -> list[Kind]:
    """float32 first."""
    shipped = bundle.folder / TEXT_FILE
    whole = folded(shipped, folder / "text-32.onnx")
    if run is not None:
        from soundseek.lab.distilled.export import text_graph
        from soundseek.lab.distilled.trained import load_trained
        from soundseek.lab.words.trained import load_words

        recipe, _, _ = load_trained(run)
        whole.write_bytes(text_graph(load_words(Path(recipe.words))))
    half = _halved(whole, folder / "text-16.onnx")
    flat = folded(whole, folder / "text-flat.onnx")
    kinds = [
        Kind("float32", whole),
        Kind("float16 kept", half),
        Kind("int8", dynamic_int8(flat, folder / "text-8.onnx", words=False)),
        Kind("int8, word vectors too", dynamic_int8(flat, folder / "text-8w.onnx", words=True)),
    ]
    if has_openvino():
        kinds.append(Kind("OpenVINO, float32", half, "openvino"))
        kinds.append(Kind("OpenVINO, bfloat16", half, "openvino", "bf16"))
    return kinds


def _halved(graph: Path, into: Path) -> Path:
    """As exports write it; the bundle's own file, where the run is the bundle's."""
    into.write_bytes(with_half_weights(graph.read_bytes()))
    return into
