"""One network file behind an engine: opened with a number of threads, run on a batch."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from soundseek.bundle.network import OUTPUT, Network
from soundseek.bundle.schema import AUDIO_FILE, TEXT_FILE

Floats = NDArray[np.float32]
Feeds = Mapping[str, NDArray[Any]]

INPUTS = {
    AUDIO_FILE: {"features": 3, "lengths": 1},
    TEXT_FILE: {"input_ids": 2, "attention_mask": 2},
}


class Runs(Protocol):
    """What `soundseek.bundle.network.Network` is to the encoders."""

    def run(self, feeds: Feeds) -> Floats: ...


class Kind(NamedTuple):
    """A column: what it is called, the file that it runs, and the engine with its precision."""

    name: str
    path: Path
    engine: str = "onnxruntime"
    precision: str = "f32"

    @property
    def megabytes(self) -> float:
        return self.path.stat().st_size / 1e6

    def opened(self, which: str, dimension: int, threads: int) -> Runs:
        """The network `which` (audio.onnx or text.onnx), ready to run."""
        if self.engine == "openvino":
            return OpenVino(self.path, threads, self.precision)
        network = Network(self.path, INPUTS[which], dimension, threads)
        network.open()
        return network


class OpenVino:
    """A graph in OpenVINO, for several threads of Python: each has an inference request."""

    def __init__(self, path: Path, threads: int, precision: str = "f32", streams: int = 1) -> None:
        """`streams` batches run at once, on `threads` threads together."""
        import openvino

        self._compiled = openvino.Core().compile_model(
            str(path),
            "CPU",
            {
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": streams,
                "INFERENCE_PRECISION_HINT": precision,
                "ENABLE_CPU_PINNING": False,
            },
        )
        self._own = threading.local()

    def run(self, feeds: Feeds) -> Floats:
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        found = self._own.request.infer(dict(feeds))
        return np.array(found[OUTPUT], dtype=np.float32)


def has_openvino() -> bool:
    """Whether the package is installed."""
    from importlib.util import find_spec

    return find_spec("openvino") is not None
