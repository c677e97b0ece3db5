"""Which sounds a browser plays as they are, and what they are called over HTTP."""

from __future__ import annotations

from types import MappingProxyType
from typing import BinaryIO, Final

_TYPES: Final = MappingProxyType(
    {
        "wav": "audio/wav",
        "mp3": "audio/mpeg",
        "ogg": "audio/ogg",
        "oga": "audio/ogg",
        "opus": "audio/ogg",
        "flac": "audio/flac",
        "aac": "audio/aac",
        "m4a": "audio/mp4",
        "m4b": "audio/mp4",
        "aiff": "audio/aiff",
        "caf": "audio/x-caf",
        "au": "audio/basic",
        "wma": "audio/x-ms-wma",
        "mka": "audio/x-matroska",
        "webm": "audio/webm",
        "mp4": "video/mp4",
        "m4v": "video/mp4",
        "mov": "video/quicktime",
        "mkv": "video/x-matroska",
        "avi": "video/x-msvideo",
    }
)
# What Chromium, Firefox and Safari have in common.
_WAV_SUBTYPES: Final = frozenset({"PCM_U8", "PCM_16", "PCM_24", "FLOAT"})
_CODECS: Final = MappingProxyType(
    {"m4a": frozenset({"aac", "mp3"}), "m4b": frozenset({"aac"}), "webm": frozenset({"opus"})}
)
_MOST_CHANNELS: Final = 8
_LEAST_RATE, _GREATEST_RATE = 3_000, 192_000


def media_type(sound_format: str) -> str:
    """Return the Content-Type of a file of a format of the library; never one with scripts."""
    return _TYPES.get(sound_format, "application/octet-stream")


def plays_as_it_is(handle: BinaryIO, sound_format: str, *, sample_rate: int, channels: int) -> bool:
    """Return whether browsers play the file; reads its header, and goes back to its start."""
    if channels > _MOST_CHANNELS or not _LEAST_RATE <= sample_rate <= _GREATEST_RATE:
        return False
    if sound_format in ("mp3", "flac", "aac"):
        return True
    try:
        if sound_format in ("wav", "ogg", "opus"):
            return _libsndfile_says(handle)
        return sound_format in _CODECS and _only_codec(handle) in _CODECS[sound_format]
    finally:
        handle.seek(0)


def _libsndfile_says(handle: BinaryIO) -> bool:
    import soundfile

    try:
        with soundfile.SoundFile(handle, closefd=False) as sound:
            if sound.format in ("WAV", "WAVEX"):
                return sound.subtype in _WAV_SUBTYPES
            return sound.format == "OGG" and sound.subtype in ("VORBIS", "OPUS")
    except (soundfile.LibsndfileError, TypeError):
        return False


def _only_codec(handle: BinaryIO) -> str | None:
    """Return the codec of a container with one stream of sound and nothing else."""
    try:
        import av
    except ImportError:
        return None
    try:
        with av.open(
            handle, metadata_errors="replace", container_options={"protocol_whitelist": "none"}
        ) as container:
            if len(container.streams) != 1 or not container.streams.audio:
                return None
            name: str = container.streams.audio[0].codec_context.codec.canonical_name
            return name
    except (av.FFmpegError, ValueError):
        return None
