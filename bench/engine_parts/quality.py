"""What an engine's vectors are worth beside those of float32, on the same clips and captions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine_parts.running import Feeds, Floats, Runs
from soundseek.bundle.runtime import Bundle
from soundseek.bundle.sounds import pool_windows
from soundseek.lab.data.manifest import Clip
from soundseek.lab.evaluate import named_rightly, queries_of
from soundseek.metrics.retrieval import average_precision_at, relevant_positions
from soundseek.metrics.significance import PairedTest, paired_test

Values = NDArray[np.float64]
BATCH = 8


class Heard(NamedTuple):
    """A clip as the network meets it, and how many samples of each window are sound."""

    clip: Clip
    feeds: Feeds
    valid: NDArray[np.int64]


class _Tap:
    """Stands where a network does, and keeps what it is fed."""

    def __init__(self, dimension: int) -> None:
        self.feeds: list[Feeds] = []
        self._dimension = dimension

    def run(self, feeds: Feeds) -> Floats:
        self.feeds.append(dict(feeds))
        return np.ones((len(next(iter(feeds.values()))), self._dimension), dtype=np.float32)


def tapped_sounds(bundle: Bundle, clips: Sequence[Clip]) -> list[Heard]:
    """Every clip's features, computed once for all engines by the bundle's own encoder."""
    from soundseek.audio.decode import stream
    from soundseek.errors import AudioError

    encoder = bundle._sounds
    tap = _Tap(bundle.dimension)
    encoder.network = tap  # type: ignore[assignment]
    heard = []
    for clip in clips:
        tap.feeds.clear()
        try:
            found = encoder.encode_blocks(stream(clip.path, bundle.sample_rate))
        except AudioError:
            continue  # the number of clips is printed
        feeds = {name: np.concatenate([f[name] for f in tap.feeds]) for name in tap.feeds[0]}
        heard.append(Heard(clip, feeds, found.valid_samples))
    return heard


def tapped_texts(bundle: Bundle, texts: Sequence[str]) -> list[Feeds]:
    """Every text's tokens, in the batches that the bundle makes of them."""
    tap = _Tap(bundle.dimension)
    bundle._texts.network = tap  # type: ignore[assignment]
    bundle.encode_text(list(texts))
    return tap.feeds


def stacked(heard: Sequence[Heard]) -> dict[str, NDArray[Any]]:
    """The windows of all clips, one after another."""
    return {name: np.concatenate([one.feeds[name] for one in heard]) for name in heard[0].feeds}


def window_vectors(network: Runs, heard: Sequence[Heard]) -> list[Floats]:
    """Vectors of the windows of each clip; windows of all clips share batches."""
    windows = stacked(heard)
    found = [
        network.run({name: values[at : at + BATCH] for name, values in windows.items()})
        for at in range(0, len(windows["lengths"]), BATCH)
    ]
    ends = np.cumsum([len(one.valid) for one in heard])
    return np.split(np.concatenate(found), ends[:-1])


def clip_vectors(windows: Sequence[Floats], heard: Sequence[Heard]) -> Floats:
    return np.stack([pool_windows(w, one.valid) for w, one in zip(windows, heard, strict=True)])


def cosines(found: Floats, reference: Floats) -> tuple[float, float]:
    """Mean and least cosine of the rows."""
    each = (found * reference).sum(axis=1) / (
        np.linalg.norm(found, axis=1) * np.linalg.norm(reference, axis=1)
    )
    return float(each.mean()), float(each.min())


def precisions(clips: Sequence[Clip], audio: Floats, text: Callable[[list[str]], Floats]) -> Values:
    """AP@10 of every query of the clips."""
    captions, relevant = queries_of(clips)
    return average_precision_at(relevant_positions(text(captions) @ audio.T, relevant), 10)


def named(clips: Sequence[Clip], audio: Floats, text: Callable[[list[str]], Floats]) -> Values:
    """1 where the class of a clip is named rightly."""
    return named_rightly(clips, audio, text).astype(np.float64)


def beside(own: Values, reference: Values) -> PairedTest:
    return paired_test(own, reference, np.random.default_rng(0))
