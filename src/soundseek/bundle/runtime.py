"""A model bundle that runs: text and sound into one space of vectors."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from soundseek.bundle.check import check_hashes
from soundseek.bundle.schema import BundleManifest
from soundseek.bundle.sounds import SoundEncoder, WindowVectors, pool_windows
from soundseek.bundle.texts import TextEncoder
from soundseek.errors import AudioError

FloatArray = npt.NDArray[np.float32]
Sound = str | os.PathLike[str] | npt.NDArray[np.floating]


class Bundle:
    """A model on disk, ready to embed. Open one with `soundseek.load_bundle`.

    All vectors are float32 and L2-normalised, so that the dot product of a text and a sound is
    their similarity. The same input gives the same vector whatever is beside it in a call.

    Attributes:
        folder: where the bundle is.
        manifest: the content of bundle.json.
        name: the model's name.
        fingerprint: SHA-256 of bundle.json, which covers all of the bundle.
        dimension: values in a vector.
        sample_rate: in Hz, of the sound that enters the network; inputs are resampled to it.
        window_s, hop_s: length of a window and distance between windows' starts, in seconds.
    """

    def __init__(
        self,
        folder: Path,
        manifest: BundleManifest,
        *,
        fingerprint: str,
        threads: int | None = None,
    ) -> None:
        """Nothing is opened yet; see `load_bundle` for `threads`."""
        self.folder = folder
        self.manifest = manifest
        self.name = manifest.name
        self.fingerprint = fingerprint
        self.dimension = manifest.dimension
        self.sample_rate = manifest.audio.sample_rate
        self.window_s = manifest.audio.window_samples / self.sample_rate
        self.hop_s = manifest.audio.hop_samples / self.sample_rate
        self._texts = TextEncoder(folder, manifest, threads)
        self._sounds = SoundEncoder(folder, manifest, threads)

    def __repr__(self) -> str:
        return f"Bundle({self.name!r}, dimension={self.dimension}, {self.fingerprint[:12]})"

    def encode_text(self, texts: str | Sequence[str]) -> FloatArray:
        """Return the vectors [n, dimension] of one text or several.

        Texts longer than `manifest.text.max_tokens` are cut; `count_tokens` tells. Raises
        `QueryError` for a text without words.
        """
        return self._texts.encode(texts)

    def count_tokens(self, text: str) -> int:
        """Return how many tokens `text` has before it is cut to `manifest.text.max_tokens`.

        Raises `QueryError` for a text without words.
        """
        return self._texts.count_tokens(text)

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of `text` that the model cannot read at all, such as another script's.

        Words that it has not met, but can spell from pieces, are not among them.
        """
        return self._texts.unknown_words(text)

    @overload
    def encode_audio(
        self,
        items: Sound | Sequence[Sound],
        sample_rate: int | None = None,
        *,
        windows: Literal[False] = False,
    ) -> FloatArray: ...

    @overload
    def encode_audio(
        self,
        items: Sound | Sequence[Sound],
        sample_rate: int | None = None,
        *,
        windows: Literal[True],
    ) -> list[FloatArray]: ...

    def encode_audio(
        self,
        items: Sound | Sequence[Sound],
        sample_rate: int | None = None,
        *,
        windows: bool = False,
    ) -> FloatArray | list[FloatArray]:
        """Return one vector an item [n_items, dimension], or with `windows` one a window.

        An item is the path of a sound file or a mono array [n] of floats, full scale ±1; `items`
        is one of these or a sequence of them. `sample_rate` in Hz is that of the arrays (files
        know their own). With `windows` the result is a list with an array
        [n_windows, dimension] for each item, its windows starting every `hop_s` seconds.

        Raises `AudioError` naming the file or the item if it cannot be read, is empty, holds NaN
        or infinity, is not mono, or is an array without a rate.
        """
        if isinstance(items, str) or not isinstance(items, Sequence):
            results = [self._encode_item(items, sample_rate, "the input")]
        else:
            results = [
                self._encode_item(item, sample_rate, f"item {index}")
                for index, item in enumerate(items)
            ]
        if windows:
            return [result.vectors for result in results]
        vectors = np.empty((len(results), self.dimension), dtype=np.float32)
        for row, result in zip(vectors, results, strict=True):
            row[:] = pool_windows(result.vectors, result.valid_samples)
        return vectors

    def encode_blocks(self, blocks: Iterable[FloatArray]) -> WindowVectors:
        """Embed a stream of mono float32 blocks at `sample_rate`, in constant memory.

        Returns `(vectors [n, dimension], starts_s [n], valid_samples [n])`, all empty if the
        stream is. Raises `AudioError` for samples that are not finite.
        """
        return self._sounds.encode_blocks(blocks)

    def embed_windows(self, samples: FloatArray, valid_samples: npt.ArrayLike) -> FloatArray:
        """Return the vectors [n, dimension] of windows [n, window_samples] at `sample_rate`.

        `valid_samples` [n] says how many samples of each window are sound; the rest must be
        zeros. Raises `AudioError` for other shapes, lengths outside 1 … window_samples, and
        samples that are not finite.
        """
        return self._sounds.embed_windows(samples, valid_samples)

    def pool_windows(self, vectors: FloatArray, valid_samples: npt.ArrayLike) -> FloatArray:
        """Return a clip's vector [dimension] from its windows' vectors [n, dimension].

        It is their mean weighted by `valid_samples` [n], L2-normalised again. Raises
        `AudioError` if there is no window.
        """
        return pool_windows(vectors, valid_samples)

    def verify(self) -> None:
        """Read every file of the bundle, compare its hash, and run both networks once.

        Raises `BundleError` naming what is missing, altered or does not fit.
        """
        check_hashes(self.folder, self.manifest)
        self.encode_text("a sound")
        window_samples = self.manifest.audio.window_samples
        self.embed_windows(np.zeros((1, window_samples), dtype=np.float32), [window_samples])

    def _encode_item(self, sound: Sound, sample_rate: int | None, which: str) -> WindowVectors:
        if isinstance(sound, str | os.PathLike):
            from soundseek.audio.decode import stream

            which = os.fspath(sound)
            blocks: Iterable[FloatArray] = stream(sound, self.sample_rate)
        elif isinstance(sound, np.ndarray):
            blocks = [self._resampled(sound, sample_rate, which)]
        else:
            raise AudioError(
                f"{which} is a {type(sound).__name__}", remedy="give a path or a NumPy array"
            )
        result = self.encode_blocks(blocks)
        if len(result.vectors) == 0:
            raise AudioError(f"{which} holds no sound: it is empty")
        return result

    def _resampled(
        self, samples: npt.NDArray[np.floating], sample_rate: int | None, which: str
    ) -> FloatArray:
        _check_array(samples, which)
        if sample_rate is None:
            raise AudioError(
                f"{which} has no sample rate",
                remedy="give it, such as encode_audio(samples, sample_rate=44100)",
            )
        if sample_rate < 1:
            raise AudioError(f"the sample rate is {sample_rate}, it must be at least 1 Hz")
        from soundseek.audio.resample import resample

        mono = np.ascontiguousarray(samples, dtype=np.float32)
        return resample(mono, sample_rate, self.sample_rate)


def _check_array(samples: npt.NDArray[np.floating], which: str) -> None:
    if samples.ndim != 1:
        channels_first = samples.ndim == 2 and samples.shape[0] <= samples.shape[1]
        raise AudioError(
            f"{which} has shape {samples.shape}: sound must be mono, of shape [n]",
            remedy=f"down-mix it first: samples.mean(axis={0 if channels_first else -1})",
        )
    if not np.issubdtype(samples.dtype, np.floating):
        raise AudioError(
            f"{which} holds {samples.dtype}: sound must be floats, full scale ±1",
            remedy="for 16-bit integers: samples.astype('float32') / 32768",
        )
    finite = np.isfinite(samples)
    if not finite.all():
        first = int(np.flatnonzero(~finite)[0])
        raise AudioError(f"{which} holds {samples[first]} at sample {first}")
