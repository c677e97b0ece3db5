"""The second decoder: FFmpeg through PyAV, for m4a, webm, wma, video, and damaged files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from soundseek.audio.source import AudioInfo, Block, DecoderFailure

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

INSTALL_HINT = "pip install 'soundseek[video]'"

# One demuxer of FFmpeg serves several kinds of file: the name's ending decides among them, else
# whether there is a picture. (with picture, without picture, endings that are taken at their word)
_FAMILIES: dict[str, tuple[str, str, frozenset[str]]] = {
    "mov": ("mp4", "m4a", frozenset({"mov", "mp4", "m4a", "m4b", "m4v", "3gp", "3g2"})),
    "matroska": ("mkv", "webm", frozenset({"mkv", "mka", "webm"})),
    "asf": ("wmv", "wma", frozenset({"wma", "wmv", "asf"})),
    "ogg": ("ogv", "ogg", frozenset({"ogg", "oga", "ogv", "opus"})),
    "mpegts": ("ts", "ts", frozenset({"ts", "mts", "m2ts"})),
    "mpeg": ("mpg", "mpg", frozenset({"mpg", "mpeg", "vob"})),
}


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    """Open the container and its best sound stream; raises DecoderFailure, or OSError.

    PyAV is given an open file, never a name: FFmpeg would take some names for addresses
    ("http:…", "concat:…"). No protocol is allowed either, so that a playlist cannot make it
    open anything else.
    """
    try:
        import av
    except ImportError as error:
        raise DecoderFailure(f"FFmpeg is not installed ({INSTALL_HINT})") from error

    with path.open("rb") as handle:
        try:
            container = av.open(
                handle, metadata_errors="replace", container_options={"protocol_whitelist": "none"}
            )
        except (av.FFmpegError, ValueError) as error:
            raise DecoderFailure(_reason(error)) from error
        with container:
            stream = container.streams.best("audio")
            if stream is None:
                raise DecoderFailure("there is no sound in it")
            yield cast("InputContainer", container), cast("AudioStream", stream)


def _reason(error: Exception) -> str:
    text: str = getattr(error, "strerror", None) or str(error)
    return text.strip().rstrip(".")


def probe(path: Path) -> AudioInfo:
    """Describe a file without decoding it; raises DecoderFailure, or OSError from opening it."""
    with opened(path) as (container, stream):
        if not stream.rate or not stream.channels:
            raise DecoderFailure(f"{stream.rate or 0} Hz, {stream.channels} channels")
        return AudioInfo(
            path=path,
            format=_format_word(container, stream, path),
            sample_rate=stream.rate,
            channels=stream.channels,
            duration_s=_duration(container, stream),
        )


def _format_word(container: InputContainer, stream: AudioStream, path: Path) -> str:
    word = container.format.name.split(",")[0]
    if word == "ogg" and stream.codec_context.name.endswith("opus"):
        return "opus"
    if word not in _FAMILIES:
        return word
    with_picture, without_picture, endings = _FAMILIES[word]
    ending = path.suffix.lower().removeprefix(".")
    if ending in endings:
        return ending
    return with_picture if container.streams.video else without_picture


def _duration(container: InputContainer, stream: AudioStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        seconds = container.duration / 1_000_000  # AV_TIME_BASE
    else:
        return None
    return seconds if seconds > 0 else None


def blocks(
    path: Path, *, block_s: float, start_s: float, duration_s: float | None
) -> Iterator[Block]:
    """Yield mono blocks; see `soundseek.audio.source.Decoder.blocks`.

    `start_s` is reached by decoding up to it: many of these containers can only seek to the
    nearest packet, and their sound would be off by a few milliseconds.
    """
    with opened(path) as (container, stream):
        pending: list[NDArray[np.float32]] = []
        held, rate, skip, left = 0, 0, 0, 0
        failure: DecoderFailure | None = None
        for item in packed_frames(container, stream):
            if isinstance(item, DecoderFailure):
                failure = item
                break
            if rate == 0:
                rate = item.sample_rate
                skip = round(start_s * rate)
                left = 2**62 if duration_s is None else round(duration_s * rate)
            mono = _mono(item)[skip:]
            skip = max(0, skip - item.samples)
            mono = mono[:left]
            left -= mono.size
            pending.append(mono)
            held += mono.size
            if held >= block_s * rate or left == 0:
                yield np.concatenate(pending), rate
                pending, held = [], 0
            if left == 0:
                return
        if held:
            yield np.concatenate(pending), rate
        if failure is not None:
            raise failure


def packed_frames(
    container: InputContainer, stream: AudioStream
) -> Iterator[AudioFrame | DecoderFailure]:
    """Yield the decoded frames as packed float, and at most one failure, last.

    Packed, because PyAV counts the planes of a planar frame up to a null pointer, which 8 channels
    leave no room for: it would read past them and crash the interpreter.

    A damaged packet is skipped, as every player does; a file of nothing else is a failure.
    """
    import av

    packer = av.AudioResampler(format="flt")
    decoded = False
    last_reason = "nothing could be decoded"
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError as error:
                last_reason = _reason(error)
                continue
            for frame in frames:
                for packed in packer.resample(frame):
                    decoded = True
                    yield packed
    except (av.FFmpegError, ValueError) as error:  # ValueError: the sound's layout or rate changes
        yield DecoderFailure(_reason(error))
        return
    if not decoded:
        yield DecoderFailure(last_reason)


def _mono(packed: AudioFrame) -> NDArray[np.float32]:
    """Return a packed float frame's samples as mono float32 [n]."""
    channels = packed.layout.nb_channels
    samples = packed.to_ndarray().reshape(-1, channels)
    mix = np.full(channels, 1.0 / channels, np.float32)
    return (samples @ mix).astype(np.float32, copy=False)
