"""An ONNX network of a model: opened on first use, checked against the contract, quiet."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from soundseek.errors import BundleError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

OUTPUT = "embedding"

# ONNX Runtime's log level "fatal": all else either comes as an exception too, or is a warning
# about the machine that helps no user.
_FATAL = 4


def usable_processors() -> int:
    """Return how many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class OnnxFile:
    """One network file, with its inputs by name and the outputs that are asked for.

    The file is opened when the first batch runs, so that a text search never pays for the audio
    network. The thread count is always set explicitly: left to itself, ONNX Runtime counts the
    machine's processors, not those this process may use, and pins threads to them. Its threads
    do not spin while they wait, since decoding needs the same processors in the meantime.

    ONNX Runtime's exceptions have no base of their own, so `Exception` is caught around it.
    """

    def __init__(
        self,
        path: Path,
        inputs: Mapping[str, int],
        outputs: Sequence[str],
        threads: int | None,
    ) -> None:
        """`inputs` maps each input's name to its number of axes."""
        self.path = path
        self.threads = usable_processors() if threads is None else threads
        if self.threads < 1:
            raise BundleError(f"threads is {threads}", remedy="give a number of at least 1")
        self._inputs = dict(inputs)
        self._outputs = list(outputs)
        self._session: InferenceSession | None = None

    @property
    def is_open(self) -> bool:
        """Whether the file has been opened."""
        return self._session is not None

    def open(self) -> InferenceSession:
        """Return the session, opened and checked; `BundleError` if it does not fit its model."""
        if self._session is None:
            session = self._opened()
            self._check_signature(session)
            self._session = session
        return self._session

    def run_all(self, feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Return the outputs of one batch in their order; `BundleError` if the network fails."""
        session = self.open()
        try:
            found = session.run(self._outputs, dict(feeds))
        except Exception as error:
            raise BundleError(f"{self.path} failed to run: {error}") from error
        return [np.asarray(array) for array in found]

    def _opened(self) -> InferenceSession:
        # Releases from 1.29 on report every model that they open over the network, and keep a
        # queue of reports in the user's cache folder, unless told before they are imported.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return onnxruntime.InferenceSession(
                str(self.path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise BundleError(
                f"ONNX Runtime {onnxruntime.__version__} cannot open {self.path}: {error}",
                remedy="upgrade onnxruntime, or export the bundle again",
            ) from error

    def _check_signature(self, session: InferenceSession) -> None:
        found = {entry.name: len(entry.shape) for entry in session.get_inputs()}
        if found != self._inputs:
            raise BundleError(
                f"{self.path} takes {_described(found)} instead of {_described(self._inputs)}"
            )
        outputs = {entry.name: entry.shape for entry in session.get_outputs()}
        for wanted in self._outputs:
            if wanted not in outputs:
                raise BundleError(f"{self.path} returns {sorted(outputs)} instead of {wanted!r}")
        self._check_outputs(outputs)

    def _check_outputs(self, outputs: Mapping[str, list[Any]]) -> None:
        """Look at the declared shapes; nothing here, for those whose contract names no sizes."""


class Network(OnnxFile):
    """A network of a bundle: one output, `embedding` [batch, dimension]."""

    def __init__(
        self, path: Path, inputs: Mapping[str, int], dimension: int, threads: int | None
    ) -> None:
        """`inputs` maps each input's name to its number of axes."""
        super().__init__(path, inputs, [OUTPUT], threads)
        self._dimension = dimension

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """Return the embeddings float32 [batch, dimension] of one batch.

        Raises `BundleError` if the network fails or returns anything but that, finite.
        """
        batch = next(iter(feeds.values())).shape[0]
        (vectors,) = self.run_all(feeds)
        array = np.asarray(vectors, dtype=np.float32)
        if array.shape != (batch, self._dimension):
            raise BundleError(
                f"{self.path} returned shape {array.shape} instead of {(batch, self._dimension)}"
            )
        if not np.isfinite(array).all():
            raise BundleError(f"{self.path} returned values that are not finite")
        return array

    def _check_outputs(self, outputs: Mapping[str, list[Any]]) -> None:
        width = outputs[OUTPUT][-1] if outputs[OUTPUT] else None
        if isinstance(width, int) and width != self._dimension:
            raise BundleError(
                f"{self.path} returns vectors of {width} values instead of {self._dimension}"
            )


def _described(inputs: Mapping[str, int]) -> str:
    return ", ".join(f"{name} with {axes} axes" for name, axes in sorted(inputs.items()))
