"""Sound into vectors: windows, features, network, and the mean over a clip's windows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from soundseek.audio.frontends import features, n_frames
from soundseek.audio.windows import batched, iter_windows
from soundseek.bundle.network import Network
from soundseek.bundle.schema import AUDIO_FILE, BundleManifest
from soundseek.errors import AudioError

FloatArray = npt.NDArray[np.float32]

# Windows that go through the network together: more gain nothing on a CPU and need more memory.
_BATCH = 16

# Full scale is 1. Samples beyond this come from damaged files, and their power from a front-end
# would be infinite.
_LOUDEST = 1e12


class WindowVectors(NamedTuple):
    """A sound's windows: `vectors` float32 [n, dimension], `starts_s` float64 [n], in seconds,
    and `valid_samples` int64 [n], how much of each window is sound and not padding."""

    vectors: FloatArray
    starts_s: npt.NDArray[np.float64]
    valid_samples: npt.NDArray[np.int64]


class SoundEncoder:
    """The audio half of a bundle. The network is opened with the first window."""

    def __init__(self, folder: Path, manifest: BundleManifest, threads: int | None) -> None:
        """Encode as `manifest` says, with the files in `folder`."""
        self._audio = manifest.audio
        self._dimension = manifest.dimension
        inputs = {"features": 3, "lengths": 1}
        self.network = Network(folder / AUDIO_FILE, inputs, manifest.dimension, threads)

    def embed_windows(self, samples: FloatArray, valid_samples: npt.ArrayLike) -> FloatArray:
        """Return L2-normalised vectors float32 [n, dimension]; see `Bundle.embed_windows`."""
        valid = np.asarray(valid_samples, dtype=np.int64)
        self._check_windows(samples, valid)
        return self._embedded(samples, valid)

    def encode_blocks(self, blocks: Iterable[FloatArray]) -> WindowVectors:
        """Return the vectors of all windows of a stream; see `Bundle.encode_blocks`."""
        audio = self._audio
        windows = iter_windows(blocks, audio.sample_rate, audio.window_samples, audio.hop_samples)
        vectors = [np.empty((0, self._dimension), dtype=np.float32)]
        starts: list[float] = []
        valid: list[int] = []
        for batch in batched(windows, _BATCH):
            samples = np.stack([window.samples for window in batch])
            batch_starts = [window.start_s for window in batch]
            batch_valid = [window.valid_samples for window in batch]
            self._check_samples(samples, batch_starts)
            vectors.append(self._embedded(samples, np.asarray(batch_valid, dtype=np.int64)))
            starts += batch_starts
            valid += batch_valid
        return WindowVectors(
            np.concatenate(vectors),
            np.asarray(starts, dtype=np.float64),
            np.asarray(valid, dtype=np.int64),
        )

    def _embedded(self, samples: FloatArray, valid: npt.NDArray[np.int64]) -> FloatArray:
        vectors = np.empty((len(samples), self._dimension), dtype=np.float32)
        for start in range(0, len(samples), _BATCH):
            part = slice(start, start + _BATCH)
            inputs = features(samples[part], self._audio.frontend)
            lengths = self._valid_frames(valid[part], inputs.shape[1])
            vectors[part] = self.network.run({"features": inputs, "lengths": lengths})
        return vectors

    def _valid_frames(
        self, valid_samples: npt.NDArray[np.int64], frames: int
    ) -> npt.NDArray[np.int64]:
        counts = [n_frames(int(valid), self._audio.frontend) for valid in valid_samples]
        # Sound shorter than one frame still has one: the frame that it begins.
        return np.clip(np.asarray(counts, dtype=np.int64), 1, frames)

    def _check_windows(self, samples: FloatArray, valid: npt.NDArray[np.int64]) -> None:
        length = self._audio.window_samples
        if samples.ndim != 2 or samples.shape[1] != length:
            raise AudioError(
                f"windows have shape {samples.shape} instead of [n, {length}]",
                remedy="cut sound with soundseek.audio.windows.iter_windows",
            )
        if valid.shape != (len(samples),):
            raise AudioError(f"{len(samples)} windows came with valid lengths {valid.shape}")
        if valid.size and not (valid.min() >= 1 and valid.max() <= length):
            raise AudioError(f"a window's valid length must be from 1 to {length} samples")
        if not _is_sound(samples):
            window, sample = _first_bad(samples)
            raise AudioError(f"window {window} holds {samples[window, sample]} at sample {sample}")

    def _check_samples(self, samples: FloatArray, starts_s: list[float]) -> None:
        if not _is_sound(samples):
            window, sample = _first_bad(samples)
            at_s = starts_s[window] + sample / self._audio.sample_rate
            raise AudioError(f"the sound holds {samples[window, sample]} at {at_s:.3f} s")


def _is_sound(samples: FloatArray) -> bool:
    # NaN is neither more nor less than anything, and passes through min and max.
    return bool(samples.min(initial=0) >= -_LOUDEST and samples.max(initial=0) <= _LOUDEST)


def _first_bad(samples: FloatArray) -> tuple[int, int]:
    window, sample = np.argwhere(~(np.abs(samples) <= _LOUDEST))[0]
    return int(window), int(sample)


def pool_windows(vectors: FloatArray, valid_samples: npt.ArrayLike) -> FloatArray:
    """Return the clip's vector [dimension]; see `Bundle.pool_windows`."""
    weights = np.asarray(valid_samples, dtype=np.float64)
    if vectors.ndim != 2 or weights.shape != (len(vectors),) or len(vectors) == 0:
        raise AudioError(
            f"cannot pool vectors of shape {vectors.shape} with weights of shape {weights.shape}",
            remedy="give at least one window's vector [n, dimension] and as many lengths [n]",
        )
    if not (weights > 0).all():
        raise AudioError("cannot pool windows without sound: valid lengths must be at least 1")
    mean: npt.NDArray[np.float64] = weights @ vectors.astype(np.float64)
    length = float(np.linalg.norm(mean))
    if length == 0.0:
        # Windows that cancel out exactly: the longest speaks for the clip.
        return np.asarray(vectors[int(weights.argmax())], dtype=np.float32)
    return np.asarray(mean / length, dtype=np.float32)
