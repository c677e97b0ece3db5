"""A sound as something that every browser plays: Opus in WebM, or 16-bit WAV."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from soundseek.errors import AudioError
from soundseek.serve.channels import ChannelBlock, channel_blocks

VERSION: Final = 1
"""Grows when the same sound would be written differently: what is cached is made anew."""

TYPES: Final = {"opus": "audio/webm; codecs=opus", "wav": "audio/wav"}

_OPUS_RATE: Final = 48_000
_OPUS_FRAME: Final = 960  # 20 ms
# FFmpeg's resampler makes nothing at all of fewer.
_FEWEST_SAMPLES: Final = 64
_BITS_PER_CHANNEL: Final = 64_000
# The sizes in the header of a WAV have 32 bits.
_MOST_WAV_BYTES: Final = (1 << 32) - 4096


def has_opus() -> bool:
    """Whether Opus can be written here: PyAV is an extra."""
    return find_spec("av") is not None


def write_opus(path: Path, file: BinaryIO) -> None:
    """Write the sound at `path` as Opus, 64 kbit/s a channel, in constant memory.

    Raises AudioError if it cannot be decoded.
    """
    import av

    with closing(_steady(channel_blocks(path))) as blocks:
        first, rate = next(blocks)
        if len(first) < _FEWEST_SAMPLES:
            first = np.pad(first, ((0, _FEWEST_SAMPLES - len(first)), (0, 0)))
        layout = "stereo" if first.shape[1] == 2 else "mono"
        # bitexact: no random ids, so that the same sound gives the same bytes.
        with av.open(file, "w", format="webm", options={"fflags": "+bitexact"}) as container:
            sound = container.add_stream("libopus", rate=_OPUS_RATE, layout=layout)
            sound.bit_rate = _BITS_PER_CHANNEL * first.shape[1]
            resampler = av.AudioResampler("flt", layout, _OPUS_RATE, frame_size=_OPUS_FRAME)
            block: np.ndarray | None = first
            while block is not None:
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(block).reshape(1, -1), format="flt", layout=layout
                )
                frame.sample_rate = rate
                for ready in resampler.resample(frame):
                    container.mux(sound.encode(ready))
                block = next(blocks, (None, rate))[0]
            for ready in resampler.resample(None):
                container.mux(sound.encode(ready))
            container.mux(sound.encode(None))


def write_wav(path: Path, file: BinaryIO) -> None:
    """Write the sound at `path` as 16-bit WAV, in constant memory.

    Raises AudioError if it cannot be decoded, or does not fit into a WAV.
    """
    import soundfile

    with closing(_steady(channel_blocks(path))) as blocks:
        first, rate = next(blocks)
        channels = first.shape[1]
        with soundfile.SoundFile(
            file, "w", rate, channels, subtype="PCM_16", format="WAV", closefd=False
        ) as sound:
            block: np.ndarray | None = first
            while block is not None:
                if (sound.tell() + len(block)) * channels * 2 > _MOST_WAV_BYTES:
                    raise AudioError(
                        "the sound is too long for a WAV",
                        remedy="install what writes Opus: pip install 'soundseek[video]'",
                    )
                sound.write(block)
                block = next(blocks, (None, rate))[0]


def _steady(blocks: Iterator[ChannelBlock]) -> Generator[ChannelBlock]:
    """Pass on blocks up to a change of rate or channels; AudioError if there is none at all."""
    kind: tuple[int, int] | None = None
    for block, rate in blocks:
        if not block.size:
            continue
        if kind is None:
            kind = (block.shape[1], rate)
        elif kind != (block.shape[1], rate):
            return
        yield block, rate
    if kind is None:
        raise AudioError("there is no sound in it")
