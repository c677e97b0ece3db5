"""Any sound as blocks with its channels: stereo stays stereo, as people listen to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundseek.audio.decode import probe, stream
from soundseek.audio.source import printable
from soundseek.errors import AudioError

ChannelBlock = tuple[NDArray[np.float32], int]
"""Samples [n, 1 or 2] within ±1, and their rate in Hz."""

_BLOCK: Final = 65_536


def channel_blocks(path: Path) -> Iterator[ChannelBlock]:
    """Yield a sound of one or two channels as it is; of more channels, their mean.

    Rate and number of channels stay the same. Samples beyond full scale are clipped, NaN is
    silence. A damaged file gives what can be decoded of it. Raises AudioError if that is nothing.
    """
    sources = (_by_libsndfile, _by_ffmpeg)
    for source in sources:
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
    except (soundfile.LibsndfileError, TypeError):
        return


def _by_ffmpeg(path: Path) -> Iterator[ChannelBlock]:
    try:
        import av
    except ImportError:
        return
    try:
        with (
            path.open("rb") as handle,
            av.open(
                handle, metadata_errors="replace", container_options={"protocol_whitelist": "none"}
            ) as container,
        ):
            sound = container.streams.best("audio")
            if sound is None or sound.channels not in (1, 2):
                return
            # Packed: PyAV reads past the planes of some planar frames (audio.decode_pyav).
            packer = av.AudioResampler(format="flt")
            for packet in container.demux(sound):
                try:
                    frames = packet.decode()
                except av.InvalidDataError:
                    continue
                for frame in frames:
                    for packed in packer.resample(frame):
                        channels = packed.layout.nb_channels
                        block = packed.to_ndarray().reshape(-1, channels)
                        yield np.array(block, np.float32), packed.sample_rate
    except OSError as error:
        if not isinstance(error, av.FFmpegError):
            raise AudioError(f"{printable(path)}: {error.strerror or error}") from error
    except (av.FFmpegError, ValueError):
        return
