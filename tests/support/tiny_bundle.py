"""A model bundle in the real format that is built in a moment and understands a few words.

Its audio network is statistics over frames: the mean and the standard deviation of every mel
band, seen through a fixed random projection. Its text network adds up one vector a word. The
vectors of the words in `SOUNDS` are the audio vectors of the sounds they name, so that "a high
tone" finds a high sine among hisses and hums, and tests of searching can expect the right hit.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from soundseek.audio.frontends import PRESETS, features, n_frames
from soundseek.bundle.schema import (
    AudioSection,
    BundleManifest,
    Calibration,
    DataSource,
    Provenance,
    Similarity,
    TextSection,
)
from soundseek.bundle.write import write_bundle

DIMENSION = 32
SAMPLE_RATE = 16_000
WINDOW_SAMPLES = 46_320
HOP_SAMPLES = 46_080
MAX_TOKENS = 16

Array = npt.NDArray[np.float32]


def sine(frequency: float, seconds: float = 3.0, sample_rate: int = SAMPLE_RATE) -> Array:
    """A tone at half of full scale, float32 [n]."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.5 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def noise(seconds: float = 3.0, sample_rate: int = SAMPLE_RATE, seed: int = 0) -> Array:
    """White noise, float32 [n]."""
    samples = np.random.default_rng(seed).standard_normal(round(seconds * sample_rate))
    return (0.15 * samples).astype(np.float32)


def clicks(seconds: float = 3.0, sample_rate: int = SAMPLE_RATE) -> Array:
    """Four clicks a second, float32 [n]."""
    samples = np.zeros(round(seconds * sample_rate), dtype=np.float32)
    for start in range(0, samples.size, sample_rate // 4):
        samples[start : start + sample_rate // 1000] = 0.8
    return samples


SOUNDS: dict[str, Callable[[], Array]] = {
    "low": lambda: sine(180),
    "middle": lambda: sine(800),
    "high": lambda: sine(4000),
    "noise": noise,
    "clicks": clicks,
    "silence": lambda: np.zeros(3 * SAMPLE_RATE, dtype=np.float32),
}
_OTHER_WORDS = ("[UNK]", "a", "and", "the", "of", "tone", "sound", "hum", "long", "short")


def make_tiny_bundle(folder: Path) -> Path:
    """Write the bundle into `folder`, which must not exist or be empty; always the same bytes."""
    projection = _projection()
    return write_bundle(
        folder,
        _manifest(),
        audio_onnx=_audio_network(*projection),
        text_onnx=_text_network(_word_vectors(*projection)),
        tokenizer_json=_tokenizer(),
        model_card="# tiny\n\nStatistics of mel bands, for tests.\n",
    )


def _manifest() -> BundleManifest:
    return BundleManifest(
        name="tiny",
        description="Statistics of mel bands, for tests",
        created="2026-01-01T00:00:00+00:00",
        dimension=DIMENSION,
        audio=AudioSection(SAMPLE_RATE, PRESETS["yamnet_16k"], WINDOW_SAMPLES, HOP_SAMPLES),
        text=TextSection(max_tokens=MAX_TOKENS, lowercase=True, strip_punctuation=True),
        similarity=Similarity(
            scale=20.0, calibration=Calibration(slope=8.0, intercept=-4.0, fitted_on="hits")
        ),
        provenance=Provenance(
            recipe="tests/support/tiny_bundle.py",
            data=(DataSource("synthetic", "CC0-1.0", 6),),
            scores={"note": "none were measured"},
            attribution="",
        ),
    )


def _projection() -> tuple[Array, Array]:
    """A fixed random map [2 * bands, dimension] and the offset of statistics [2 * bands]."""
    bands = PRESETS["yamnet_16k"].bands
    weights = np.random.default_rng(7).standard_normal((2 * bands, DIMENSION))
    # About the middle of log-mels between digital silence and full scale, and of their spread.
    offset = np.concatenate([np.full(bands, -3.5), np.full(bands, 0.7)])
    return weights.astype(np.float32), offset.astype(np.float32)


def _word_vectors(weights: Array, offset: Array) -> Array:
    vectors = 0.05 * np.random.default_rng(8).standard_normal((len(_vocabulary()), DIMENSION))
    spec = PRESETS["yamnet_16k"]
    for word, render in SOUNDS.items():
        samples = render()[:WINDOW_SAMPLES]
        frames = features(samples, spec)[: n_frames(samples.size, spec)]
        vector = (np.concatenate([frames.mean(0), frames.std(0)]) - offset) @ weights
        vectors[_vocabulary()[word]] = vector / np.linalg.norm(vector)
    return vectors.astype(np.float32)


def _vocabulary() -> dict[str, int]:
    return {word: index for index, word in enumerate((*_OTHER_WORDS, *SOUNDS))}


def _tokenizer() -> str:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    tokenizer = Tokenizer(WordLevel(_vocabulary(), unk_token="[UNK]"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return json.dumps(json.loads(tokenizer.to_str()), sort_keys=True)


def _audio_network(weights: Array, offset: Array) -> bytes:
    node = helper.make_node
    nodes = [
        # mask [batch, frames, 1]: frame index < lengths
        node("Shape", ["features"], ["frames_1d"], start=1, end=2),
        node("Squeeze", ["frames_1d"], ["frames"]),
        node("Range", ["zero", "frames", "one"], ["indices"]),
        node("Unsqueeze", ["lengths", "axis_1"], ["lengths_column"]),
        node("Less", ["indices", "lengths_column"], ["is_valid"]),
        node("Cast", ["is_valid"], ["valid"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["valid", "axis_2"], ["mask"]),
        node("ReduceSum", ["mask", "axis_1"], ["count"], keepdims=0),
        # mean and standard deviation over the valid frames [batch, bands]
        node("Mul", ["features", "mask"], ["masked"]),
        node("ReduceSum", ["masked", "axis_1"], ["total"], keepdims=0),
        node("Div", ["total", "count"], ["mean"]),
        node("Unsqueeze", ["mean", "axis_1"], ["mean_row"]),
        node("Sub", ["features", "mean_row"], ["centred"]),
        node("Mul", ["centred", "mask"], ["deviation"]),
        node("Mul", ["deviation", "deviation"], ["squared"]),
        node("ReduceSum", ["squared", "axis_1"], ["square_total"], keepdims=0),
        node("Div", ["square_total", "count"], ["variance"]),
        node("Sqrt", ["variance"], ["spread"]),
        node("Concat", ["mean", "spread"], ["statistics"], axis=1),
        node("Sub", ["statistics", "offset"], ["shifted"]),
        node("MatMul", ["shifted", "weights"], ["projected"]),
        node("LpNormalization", ["projected"], ["embedding"], axis=1, p=2),
    ]
    constants = {
        "zero": np.int64(0),
        "one": np.int64(1),
        "axis_1": np.array([1], dtype=np.int64),
        "axis_2": np.array([2], dtype=np.int64),
        "offset": offset,
        "weights": weights,
    }
    inputs = [
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", "frames", "bands"]),
        helper.make_tensor_value_info("lengths", TensorProto.INT64, ["batch"]),
    ]
    return _network(nodes, inputs, constants)


def _text_network(word_vectors: Array) -> bytes:
    node = helper.make_node
    nodes = [
        node("Gather", ["words", "input_ids"], ["looked_up"]),
        node("Cast", ["attention_mask"], ["valid"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["valid", "axis_2"], ["mask"]),
        node("Mul", ["looked_up", "mask"], ["masked"]),
        node("ReduceSum", ["masked", "axis_1"], ["total"], keepdims=0),
        node("LpNormalization", ["total"], ["embedding"], axis=1, p=2),
    ]
    constants = {
        "words": word_vectors,
        "axis_1": np.array([1], dtype=np.int64),
        "axis_2": np.array([2], dtype=np.int64),
    }
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    return _network(nodes, inputs, constants)


def _network(nodes: list, inputs: list, constants: dict) -> bytes:
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSION])
    initializers = [
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    ]
    graph = helper.make_graph(nodes, "tiny", inputs, [output], initializers)
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    return model.SerializeToString(deterministic=True)
