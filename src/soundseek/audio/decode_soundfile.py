"""The first decoder: libsndfile, for wav, flac, ogg vorbis, opus, mp3, aiff and their kin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from soundseek.audio.source import AudioInfo, Block, DecoderFailure

if TYPE_CHECKING:
    import soundfile

# Small enough to stay in the processor's cache between decoding and down-mixing.
_CHUNK_FRAMES = 32_768
# libsndfile reports lengths it does not know as a number near the largest of 64 bits.
_UNKNOWN_FRAMES = 2**62
# Read as integers and scaled by the down-mix: exact, and several times faster than libsndfile's own
# conversion. (type, full scale)
_INTEGERS = {
    "PCM_S8": ("int16", 2.0**15),
    "PCM_U8": ("int16", 2.0**15),
    "PCM_16": ("int16", 2.0**15),
    "PCM_24": ("int32", 2.0**31),
    "PCM_32": ("int32", 2.0**31),
}
_WORDS = {"wavex": "wav", "rf64": "wav", "nist": "sph", "mpc2k": "mpc", "ircam": "sf"}
_WORDS_BY_SUBTYPE = {"OPUS": "opus", "MPEG_LAYER_I": "mp1", "MPEG_LAYER_II": "mp2"}


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open the file by descriptor, so that only its content decides how it is read.

    That serves names in any encoding, and names that end in .raw (which soundfile by itself would
    not look into). On Windows libsndfile cannot take a descriptor of another C runtime.
    """
    import soundfile

    with path.open("rb", buffering=0) as handle:
        target = str(path) if os.name == "nt" else handle.fileno()
        try:
            sound = soundfile.SoundFile(target, closefd=False)
        except (soundfile.LibsndfileError, TypeError) as error:
            raise DecoderFailure(_reason(error)) from error
        with sound:
            if sound.samplerate <= 0 or sound.channels <= 0:
                raise DecoderFailure(f"{sound.samplerate} Hz, {sound.channels} channels")
            yield sound


def _reason(error: Exception) -> str:
    text: str = getattr(error, "error_string", str(error))
    return text.strip().rstrip(".")


def probe(path: Path) -> AudioInfo:
    """Describe a file without decoding it; raises DecoderFailure, or OSError from opening it."""
    with _opened(path) as sound:
        word = sound.format.lower()
        known = 0 <= sound.frames < _UNKNOWN_FRAMES
        return AudioInfo(
            path=path,
            format=_WORDS_BY_SUBTYPE.get(sound.subtype, _WORDS.get(word, word)),
            sample_rate=sound.samplerate,
            channels=sound.channels,
            duration_s=sound.frames / sound.samplerate if known else None,
        )


def blocks(
    path: Path, *, block_s: float, start_s: float, duration_s: float | None
) -> Iterator[Block]:
    """Yield mono blocks; see `soundseek.audio.source.Decoder.blocks`."""
    import soundfile

    with _opened(path) as sound:
        rate = sound.samplerate
        kind, full_scale = _INTEGERS.get(sound.subtype, ("float32", 1.0))
        mix = np.full(sound.channels, 1.0 / (sound.channels * full_scale), np.float32)
        chunk = np.empty((_CHUNK_FRAMES, sound.channels), kind)
        block_frames = max(1, round(block_s * rate))
        left = _UNKNOWN_FRAMES if duration_s is None else round(duration_s * rate)
        try:
            _seek(sound, round(start_s * rate))
            while left > 0:
                block, failure = _one_block(sound, chunk, mix, min(block_frames, left))
                if block.size:
                    yield block, rate
                if failure is not None:
                    raise DecoderFailure(_reason(failure)) from failure
                left -= block.size
                if block.size == 0:
                    break
            if left and sound.tell() < sound.frames < _UNKNOWN_FRAMES:
                raise DecoderFailure(f"stops {sound.tell() / rate:.3f} s into the file")
        except soundfile.LibsndfileError as error:
            raise DecoderFailure(_reason(error)) from error


def _seek(sound: soundfile.SoundFile, frame: int) -> None:
    if frame == 0:
        return
    if not sound.seekable():
        raise DecoderFailure("cannot seek in this file")
    sound.seek(min(frame, sound.frames))


def _one_block(
    sound: soundfile.SoundFile, chunk: NDArray[Any], mix: NDArray[np.float32], frames: int
) -> tuple[NDArray[np.float32], Exception | None]:
    """Decode up to `frames` mono samples; fewer at the end of the file, or before a failure."""
    import soundfile

    # A file shorter than the block must not pay for the memory of a whole block.
    mono = np.empty(min(frames, max(0, sound.frames - sound.tell())), np.float32)
    filled = 0
    while filled < mono.size:
        wanted = min(_CHUNK_FRAMES, mono.size - filled)
        try:
            got = sound.read(wanted, dtype=chunk.dtype.name, always_2d=True, out=chunk[:wanted])
        except soundfile.LibsndfileError as error:
            return mono[:filled], error
        if len(got) == 0:
            break
        samples = got.astype(np.float32, copy=False)
        np.matmul(samples, mix, out=mono[filled : filled + len(got)])
        filled += len(got)
    return mono[:filled], None
