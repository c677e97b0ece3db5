"""Any sound as blocks with its channels: stereo stays stereo, as people listen to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundseek.audio import decode_pyav
from soundseek.audio.decode import probe, stream
from soundseek.audio.source import DecoderFailure

ChannelBlock = tuple[NDArray[np.float32], int]
"""Samples [n, 1 or 2] within ±1, and their rate in Hz."""

_BLOCK: Final = 65_536


def channel_blocks(path: Path) -> Iterator[ChannelBlock]:
    """Yield a sound of one or two channels as it is; of more channels, their mean.

    Rate and number of channels stay the same. Samples beyond full scale are clipped, NaN is
    silence. A damaged file gives what can be decoded of it. Raises AudioError if that is nothing.
    """
    for source in (_by_libsndfile, _by_ffmpeg):
        told = False
        for block, rate in source(path):
            told = True
            yield _bounded(block), rate
        if told:
            return
    rate = probe(path).sample_rate
    for mono in stream(path, rate):
        yield _bounded(mono[:, None]), rate


def _bounded(block: NDArray[np.float32]) -> NDArray[np.float32]:
    np.nan_to_num(block, copy=False)
    np.clip(block, -1.0, 1.0, out=block)
    return block


def _by_libsndfile(path: Path) -> Iterator[ChannelBlock]:
    import soundfile

    try:
        with path.open("rb") as handle, soundfile.SoundFile(handle) as sound:
            if not 1 <= sound.channels <= 2:
                return
            while (block := sound.read(_BLOCK, dtype="float32", always_2d=True)).size:
                yield block, sound.samplerate
    except (soundfile.LibsndfileError, TypeError, OSError):
        return


def _by_ffmpeg(path: Path) -> Iterator[ChannelBlock]:
    try:
        with decode_pyav.opened(path) as (container, sound):
            if sound.channels not in (1, 2):
                return
            for frame in decode_pyav.packed_frames(container, sound):
                if isinstance(frame, DecoderFailure):
                    return
                samples = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
                yield np.array(samples, np.float32), frame.sample_rate
    except (DecoderFailure, OSError):
        return
