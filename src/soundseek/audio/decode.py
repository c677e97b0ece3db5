"""Any file to mono float32: tries libsndfile, then FFmpeg, and says plainly why both failed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundseek.audio import decode_pyav, decode_soundfile
from soundseek.audio.resample import StreamResampler
from soundseek.audio.source import AudioInfo, Block, Decoder, DecoderFailure, printable
from soundseek.errors import AudioError

__all__ = ["AudioInfo", "probe", "read", "stream"]

_DECODERS: tuple[tuple[str, Decoder], ...] = (
    ("libsndfile", decode_soundfile),
    ("FFmpeg", decode_pyav),
)
_BLOCK_S = 30.0
# `read` joins small blocks: they stay in the cache from decoding to resampling.
_READ_BLOCK_S = 1.0
# Rates outside come from damaged headers; resampling them would give hours out of nothing.
_LEAST_RATE, _GREATEST_RATE = 100, 1_000_000


def probe(path: str | PathLike[str]) -> AudioInfo:
    """Describe a sound file without decoding it.

    Raises AudioError if the file is missing, is no file, may not be read, is empty, or if no
    decoder knows it.
    """
    file = _checked(path)
    failures: list[str] = []
    for name, decoder in _DECODERS:
        try:
            info = decoder.probe(file)
            if _is_plausible(info.sample_rate):
                return info
            failures.append(f"{name}: a rate of {info.sample_rate} Hz")
        except DecoderFailure as failure:
            failures.append(f"{name}: {failure}")
        except OSError as error:
            raise _system_error(file, error) from error
    raise _unreadable(file, failures)


def read(
    path: str | PathLike[str],
    sample_rate: int | None = None,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Return the sound as mono float32 [n], and its rate in Hz.

    Channels are averaged first, then resampled to `sample_rate` (None keeps the file's own).
    Samples are not clipped: float files may exceed ±1. `start_s` and `duration_s` (seconds, None
    for up to the end) cut at the file's own rate, before resampling. A damaged or truncated file
    gives what can be decoded of it. Equals the concatenation of `stream`.

    Raises AudioError for whatever cannot be read, and for NaN or infinite samples.
    """
    collected: list[NDArray[np.float32]] = []
    rate = 0
    for block, block_rate in _converted(path, sample_rate, _READ_BLOCK_S, start_s, duration_s):
        collected.append(block)
        rate = block_rate
    return (collected[0] if len(collected) == 1 else np.concatenate(collected)), rate


def stream(
    path: str | PathLike[str], sample_rate: int, block_s: float = _BLOCK_S
) -> Iterator[NDArray[np.float32]]:
    """Yield the sound as mono float32 blocks at `sample_rate` Hz, of about `block_s` seconds each.

    Memory does not grow with the length of the file. Raises AudioError as `read` does, on the first
    step or, for NaN or infinite samples, when they are reached.
    """
    for block, _ in _converted(path, sample_rate, block_s, 0.0, None):
        if block.size:
            yield block


def _converted(
    path: str | PathLike[str],
    sample_rate: int | None,
    block_s: float,
    start_s: float,
    duration_s: float | None,
) -> Iterator[Block]:
    """Decode and resample; at least one block, or AudioError."""
    if sample_rate is not None and sample_rate <= 0:
        raise AudioError(f"sample rate {sample_rate} Hz", remedy="give a rate above 0, like 32000")
    if not block_s > 0:
        raise AudioError(f"blocks of {block_s} s", remedy="give a length above 0 s")
    if not (math.isfinite(start_s) and start_s >= 0) or not (duration_s is None or duration_s > 0):
        raise AudioError(
            f"start {start_s} s, duration {duration_s} s",
            remedy="the start must be at least 0 s and the duration above 0 s",
        )
    file = _checked(path)
    resampler: StreamResampler | None = None
    rate = 0
    for block, own_rate in _decoded(file, block_s, start_s, duration_s):
        if resampler is None:
            rate = own_rate if sample_rate is None else sample_rate
            resampler = StreamResampler(own_rate, rate)
        yield resampler.process(block), rate
    assert resampler is not None  # _decoded gives a block or raises
    rest = resampler.process(np.zeros(0, np.float32), last=True)
    yield rest, rate


def _decoded(
    file: Path, block_s: float, start_s: float, duration_s: float | None
) -> Iterator[Block]:
    """Yield finite mono blocks of one rate.

    Where a decoder gives up, the next one takes over from there: some files that libsndfile
    calls malformed in the middle are read to the end by FFmpeg.
    """
    failures: list[str] = []
    done, rate = 0, 0  # samples yielded, and their rate
    for name, decoder in _DECODERS:
        done_s = done / rate if rate else 0.0
        rest_s = None if duration_s is None else duration_s - done_s
        try:
            for block, block_rate in decoder.blocks(
                file, block_s=block_s, start_s=start_s + done_s, duration_s=rest_s
            ):
                if not _is_plausible(block_rate) or rate not in (0, block_rate):
                    raise DecoderFailure(f"a rate of {block_rate} Hz")
                rate = block_rate
                _check_finite(file, block, start_s + done / rate, rate)
                done += block.size
                yield block, rate
            if done:
                return
            failures.append(f"{name}: no samples")
        except DecoderFailure as failure:
            failures.append(f"{name}: {failure}")
        except OSError as error:
            raise _system_error(file, error) from error
    if not done:  # else the file is damaged or cut off, and what could be decoded counts
        raise _unreadable(file, failures, start_s)


def _is_plausible(rate: int) -> bool:
    return _LEAST_RATE <= rate <= _GREATEST_RATE


def _check_finite(file: Path, block: NDArray[np.float32], at_s: float, rate: int) -> None:
    # One sum tells: NaN and infinity survive it. Only if it does look for the place.
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(block.sum()):
            return
    odd = np.flatnonzero(~np.isfinite(block))
    if odd.size:
        value = "NaN" if np.isnan(block[odd[0]]) else "infinite"
        raise AudioError(
            f"{printable(file)}: sample is {value} at {at_s + odd[0] / rate:.3f} s",
            remedy="export the sound again from the program that made it",
        )


def _checked(path: str | PathLike[str]) -> Path:
    """Return the path if there is something to decode at it."""
    file = Path(path)
    try:
        size = file.stat().st_size
    except OSError as error:
        raise _system_error(file, error) from error
    except ValueError as error:  # a NUL inside the name
        raise AudioError(f"{str(file)!r}: {error}") from error
    if file.is_dir():
        raise AudioError(f"{printable(file)}: is a folder, not a sound file")
    if not file.is_file():
        raise AudioError(f"{printable(file)}: is a device or pipe, not a sound file")
    if size == 0:
        raise AudioError(f"{printable(file)}: is empty (0 bytes)")
    return file


def _system_error(file: Path, error: OSError) -> AudioError:
    if isinstance(error, FileNotFoundError):
        return AudioError(f"{printable(file)}: no such file")
    if isinstance(error, PermissionError):
        return AudioError(
            f"{printable(file)}: no permission to read it", remedy="change the file's permissions"
        )
    return AudioError(f"{printable(file)}: {error.strerror or error}")


def _unreadable(file: Path, failures: list[str], start_s: float = 0.0) -> AudioError:
    where = f" from {start_s:g} s on" if start_s else ""
    return AudioError(f"{printable(file)}: cannot be decoded{where} ({'; '.join(failures)})")
