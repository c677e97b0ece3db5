"""Sounds that clients sent, to search by: decoded in a sandbox, kept as vectors for a while."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from soundseek.serve.problems import Problem
from soundseek.serve.sandbox import Limits, decode_untrusted

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle
    from soundseek.serve.state import ServerState

_MOST_KEPT: Final = 256


@dataclass(frozen=True, slots=True)
class Upload:
    """A sound that can be searched by.

    Attributes:
        id: random; whoever has it may use the sound.
        duration_s: of the sound, in seconds.
        expires_in_s: how long it is kept from now on.
    """

    id: str
    duration_s: float
    expires_in_s: float


@dataclass(frozen=True, slots=True)
class _Kept:
    vector: npt.NDArray[np.float32]
    until: float


class KeptUploads:
    """Vectors by id, in memory only. Every method may be called from any thread."""

    def __init__(
        self,
        bundle: Callable[[], Bundle],
        limits: Limits,
        *,
        ttl_s: float,
        most: int = _MOST_KEPT,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Embed with `bundle()`; keep at most `most` sounds (the oldest goes first), for `ttl_s`
        seconds each."""
        self._bundle = bundle
        self._limits = limits
        self._ttl_s = ttl_s
        self._most = most
        self._now = now
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def add(self, path: Path) -> Upload:
        """Decode and embed the untrusted file at `path`; raises AudioError as the sandbox does."""
        bundle = self._bundle()
        samples = decode_untrusted(path, bundle.sample_rate, self._limits)
        vector = bundle.encode_audio(samples, bundle.sample_rate)[0]
        upload_id = secrets.token_urlsafe(16)
        with self._lock:
            self._kept[upload_id] = _Kept(vector, self._now() + self._ttl_s)
            self._forget_old()
        return Upload(upload_id, samples.size / bundle.sample_rate, self._ttl_s)

    def vector(self, upload_id: str) -> npt.NDArray[np.float32]:
        """Return the L2-normalised vector [dimension]; Problem 404 for one that is not there."""
        with self._lock:
            self._forget_old()
            kept = self._kept.get(upload_id)
        if kept is None:
            raise Problem(
                404, "there is no such upload, or its time is over", remedy="send the sound again"
            )
        return kept.vector

    def close(self) -> None:
        """Forget them all."""
        with self._lock:
            self._kept.clear()

    def _forget_old(self) -> None:
        now = self._now()
        while self._kept:
            oldest = next(iter(self._kept))
            if len(self._kept) <= self._most and self._kept[oldest].until > now:
                return
            del self._kept[oldest]


def attach(state: ServerState) -> None:
    """Give a server its uploads."""
    settings = state.settings
    limits = Limits(settings.decode_timeout_s, settings.decode_memory_bytes)
    state.uploads = KeptUploads(lambda: state.bundle, limits, ttl_s=settings.upload_ttl_s)
