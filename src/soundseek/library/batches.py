"""Windows of many files through the network together: one batch may hold many short sounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from soundseek.audio.source import AudioInfo
from soundseek.audio.windows import Window
from soundseek.bundle.runtime import Bundle
from soundseek.errors import AudioError, BundleError
from soundseek.library.outcomes import Embedded, Outcome, Unreadable
from soundseek.library.scan import Found

BATCH = 16
_Floats = NDArray[np.float32]


@dataclass(eq=False)
class Clip:
    """A sound on its way through the network: `waiting` of its windows are in the batch.

    `duration_s` is None until the file has been decoded to its end.
    """

    file: Found
    content_hash: bytes
    info: AudioInfo
    vectors: list[_Floats] = field(default_factory=list)
    valid: list[int] = field(default_factory=list)
    waiting: int = 0
    duration_s: float | None = None
    failure: str | None = None


class WindowBatch:
    """Gathers windows until a batch is full; hands out each clip when its last window is done.

    For one thread.
    """

    def __init__(self, bundle: Bundle, deliver: Callable[[Outcome], None]) -> None:
        """Embed with `bundle`; `deliver` takes what becomes of each clip."""
        self._bundle = bundle
        self._deliver = deliver
        length = bundle.manifest.audio.window_samples
        self._samples = np.empty((BATCH, length), np.float32)
        self._owners: list[Clip] = []
        self._valid: list[int] = []

    def add(self, clip: Clip, window: Window) -> None:
        """Take one window of a clip; windows of a clip come in order."""
        self._samples[len(self._owners)] = window.samples
        self._owners.append(clip)
        self._valid.append(window.valid_samples)
        clip.waiting += 1
        if len(self._owners) == BATCH:
            self.flush()

    def finish(self, clip: Clip, *, duration_s: float = 0.0, failure: str | None = None) -> None:
        """No more windows of this clip come; `failure` says that it is unusable."""
        clip.duration_s = duration_s
        clip.failure = clip.failure or failure
        if clip.waiting == 0:
            self._deliver_clip(clip)

    def flush(self) -> None:
        """Run the network on what has been gathered."""
        owners, valid = self._owners, self._valid
        self._owners, self._valid = [], []
        if not owners:
            return
        for clip, length, vector in zip(owners, valid, self._embed(owners, valid), strict=True):
            clip.waiting -= 1
            clip.vectors.append(vector)
            clip.valid.append(length)
        for clip in dict.fromkeys(owners):
            if clip.waiting == 0 and clip.duration_s is not None:
                self._deliver_clip(clip)

    def _embed(self, owners: list[Clip], valid: list[int]) -> _Floats:
        samples = self._samples[: len(owners)]
        try:
            return self._bundle.embed_windows(samples, valid)
        except (AudioError, BundleError):
            # One absurd sound (such as samples of 1e30) must not spoil the others' batch.
            vectors = np.zeros((len(owners), self._bundle.dimension), np.float32)
            for index, clip in enumerate(owners):
                try:
                    one = self._bundle.embed_windows(samples[index : index + 1], [valid[index]])
                    vectors[index] = one[0]
                except (AudioError, BundleError) as error:
                    clip.failure = f"cannot be embedded: {error.message}"
            return vectors

    def _deliver_clip(self, clip: Clip) -> None:
        if clip.failure is None and not clip.vectors:
            clip.failure = "holds no sound"
        if clip.failure is not None:
            self._deliver(Unreadable(clip.file, clip.failure, clip.content_hash))
            return
        assert clip.duration_s is not None  # set by finish
        windows = np.stack(clip.vectors)
        self._deliver(
            Embedded(
                file=clip.file,
                content_hash=clip.content_hash,
                format=clip.info.format,
                sample_rate=clip.info.sample_rate,
                channels=clip.info.channels,
                duration_s=clip.duration_s,
                windows=windows.astype(np.float16),
                valid=np.asarray(clip.valid, np.uint32),
                vector=self._bundle.pool_windows(windows, clip.valid).astype(np.float16),
            )
        )
