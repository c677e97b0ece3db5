"""A captioner in the real format that reads the vectors of `support.tiny_bundle`.

It writes "a high tone is heard" with the word of `SOUNDS` that the sound is nearest to: the token
after "a" is chosen by the mean of the memory, every other one by the token before it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from soundseek.bundle.captioning.schema import (
    CaptionerManifest,
    CaptionText,
    DecodingDefaults,
    Hears,
)
from soundseek.bundle.captioning.write import write_captioner
from soundseek.bundle.load import load_bundle
from soundseek.bundle.manifests import DataSource, Provenance
from support.tiny_bundle import DIMENSION, SOUNDS

MOST_WINDOWS = 4
WORDS = ("[PAD]", "[BEGIN]", "[END]", "[UNK]", "a", *SOUNDS, "tone", "is", "heard")
IDS = {word: index for index, word in enumerate(WORDS)}
PAD, BEGIN, END = IDS["[PAD]"], IDS["[BEGIN]"], IDS["[END]"]


def make_tiny_captioner(folder: Path, bundle: Path, name: str = "tiny-captions") -> Path:
    """Write a captioner for the tiny bundle in `bundle`; always the same bytes."""
    return write_captioner(
        folder,
        tiny_manifest(bundle, name),
        memory_onnx=memory_network(),
        decoder_onnx=decoder_network(bundle),
        tokenizer_json=tokenizer_json(),
        model_card="# tiny-captions\n\nNames tones, for tests.\n",
    )


def tiny_manifest(bundle: Path, name: str = "tiny-captions") -> CaptionerManifest:
    """The manifest without its files."""
    loaded = load_bundle(bundle)
    return CaptionerManifest(
        name=name,
        description="Names tones, for tests",
        created="2026-01-01T00:00:00+00:00",
        hears=Hears(loaded.name, loaded.fingerprint, DIMENSION),
        most_windows=MOST_WINDOWS,
        text=CaptionText(begin=BEGIN, end=END, pad=PAD, max_tokens=12),
        decoding=DecodingDefaults(
            beams=3, min_tokens=1, max_tokens=10, no_repeat_ngram=3, length_penalty=1.0
        ),
        provenance=Provenance(
            recipe="tests/support/tiny_captioner.py",
            data=(DataSource("synthetic", "CC0-1.0", 6),),
            scores={"synthetic": {"SPIDEr": {"value": 0.5, "ci95": [0.4, 0.6]}}},
            attribution="",
        ),
    )


def tokenizer_json() -> str:
    """Whole words, the first three of `WORDS` special."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    tokenizer = Tokenizer(WordLevel(IDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in WORDS[:3]])
    return json.dumps(json.loads(tokenizer.to_str()), sort_keys=True)


def memory_network(outputs: tuple[str, str] = ("memory", "memory_mask")) -> bytes:
    """The vectors themselves, and which of them are within the lengths."""
    node = helper.make_node
    nodes = [
        node("Identity", ["vectors"], [outputs[0]]),
        node("Shape", ["vectors"], ["steps_1d"], start=1, end=2),
        node("Squeeze", ["steps_1d"], ["steps"]),
        node("Range", ["zero", "steps", "one"], ["indices"]),
        node("Unsqueeze", ["lengths", "axis_1"], ["column"]),
        node("Less", ["indices", "column"], ["is_valid"]),
        node("Cast", ["is_valid"], [outputs[1]], to=TensorProto.INT64),
    ]
    constants = {"zero": np.int64(0), "one": np.int64(1), "axis_1": np.array([1])}
    inputs = [
        _value("vectors", TensorProto.FLOAT, ["batch", "windows", DIMENSION]),
        _value("lengths", TensorProto.INT64, ["batch"]),
    ]
    found = [
        _value(outputs[0], TensorProto.FLOAT, ["batch", "steps", DIMENSION]),
        _value(outputs[1], TensorProto.INT64, ["batch", "steps"]),
    ]
    return _network(nodes, inputs, found, constants)


def decoder_network(bundle: Path, flaw: float = 0.0) -> bytes:
    """Logits by the last token, and after "a" by the mean of the memory; `flaw` is added."""
    follows = np.zeros((len(WORDS), len(WORDS)), dtype=np.float32)
    chain = {"[BEGIN]": ["a"], "a": [*SOUNDS], "tone": ["is"], "is": ["heard"], "heard": ["[END]"]}
    for word, later in {**chain, **{sound: ["tone"] for sound in SOUNDS}}.items():
        follows[IDS[word], [IDS[one] for one in later]] = 9.0
    hearing = np.zeros((len(WORDS), 1), dtype=np.float32)
    hearing[IDS["a"]] = 20.0
    heard = np.zeros((DIMENSION, len(WORDS)), dtype=np.float32)
    vectors = load_bundle(bundle).encode_audio(
        [render() for render in SOUNDS.values()], sample_rate=16_000
    )
    heard[:, [IDS[sound] for sound in SOUNDS]] = vectors.T
    node = helper.make_node
    nodes = [
        node("Gather", ["ids", "last"], ["last_ids"], axis=1),
        node("Gather", ["follows", "last_ids"], ["by_token"]),
        node("Gather", ["hearing", "last_ids"], ["weight"]),
        node("Cast", ["memory_mask"], ["valid"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["valid", "axis_2"], ["mask"]),
        node("Mul", ["memory", "mask"], ["masked"]),
        node("ReduceSum", ["masked", "axis_1"], ["total"], keepdims=0),
        node("ReduceSum", ["mask", "axis_1"], ["count"], keepdims=0),
        node("Div", ["total", "count"], ["mean"]),
        node("MatMul", ["mean", "heard"], ["by_sound"]),
        node("Mul", ["weight", "by_sound"], ["weighted"]),
        node("Add", ["by_token", "weighted"], ["both"]),
        node("Add", ["both", "flaw"], ["logits"]),
    ]
    constants = {
        "last": np.int64(-1),
        "axis_1": np.array([1]),
        "axis_2": np.array([2]),
        "follows": follows,
        "hearing": hearing,
        "heard": heard,
        "flaw": np.float32(flaw),
    }
    inputs = [
        _value("ids", TensorProto.INT64, ["n", "tokens"]),
        _value("memory", TensorProto.FLOAT, ["n", "steps", DIMENSION]),
        _value("memory_mask", TensorProto.INT64, ["n", "steps"]),
    ]
    found = [_value("logits", TensorProto.FLOAT, ["n", len(WORDS)])]
    return _network(nodes, inputs, found, constants)


def _value(name: str, kind: int, shape: list) -> object:
    return helper.make_tensor_value_info(name, kind, shape)


def _network(nodes: list, inputs: list, outputs: list, constants: dict) -> bytes:
    initializers = [
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, initializers)
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    return model.SerializeToString(deterministic=True)
