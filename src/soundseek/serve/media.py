"""What is heard and seen of a clip: its sound, its waveform, its spectrogram; each cached."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

import numpy as np
from anyio import to_thread
from numpy.typing import NDArray

from soundseek.serve import peaks as waveform
from soundseek.serve import spectrogram, transcode
from soundseek.serve.media_cache import Write
from soundseek.serve.playable import media_type, plays_as_it_is
from soundseek.serve.problems import Problem
from soundseek.serve.ranges import Validators

if TYPE_CHECKING:
    from soundseek.serve.state import ServerState
    from soundseek.serve.stored_files import StoredFile

Wanted = Literal["auto", "original", "opus", "wav"]

_BLOCK_S: Final = 5.0
# Sounds that keep a thread busy for more than about a second: to encode, and to look at.
_LONG_TO_ENCODE_S: Final = 60.0
_LONG_TO_READ_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Bytes:
    """An open file to answer with, and what is said of it."""

    handle: BinaryIO
    close: Callable[[], None]
    media_type: str
    validators: Validators
    name: str


async def sound(state: ServerState, file_id: str, wanted: Wanted) -> Bytes:
    """Return the sound of a clip: the file itself, or what was made of it.

    `auto` is the file where browsers play it, else Opus, else WAV. Raises Problem as
    `ServerState.file` does, 406 where Opus cannot be written, AudioError if the file cannot be
    decoded any more.
    """
    original, plays = await to_thread.run_sync(_original, state, file_id, wanted == "auto")
    if wanted == "original" or plays:
        return original
    original.close()
    kind: Literal["opus", "wav"] = "wav" if wanted == "wav" else "opus"
    if kind == "opus" and not transcode.has_opus():
        if wanted == "opus":
            raise Problem(
                406,
                "this server cannot write Opus",
                remedy="ask for as=wav, or install PyAV: pip install 'soundseek[video]'",
            )
        kind = "wav"
    to_file = transcode.write_opus if kind == "opus" else transcode.write_wav

    def write(file: StoredFile) -> Write:
        return lambda out: to_file(Path(file.path), out)

    parts = (transcode.VERSION,)
    ending = {"opus": "webm", "wav": "wav"}[kind]
    file, handle = await _derived(state, file_id, ending, parts, write, _LONG_TO_ENCODE_S)
    return Bytes(
        handle,
        handle.close,
        transcode.TYPES[kind],
        _validators(file, f"{kind}{transcode.VERSION}"),
        f"{Path(file.name).stem}.{ending}",
    )


def _original(state: ServerState, file_id: str, ask: bool) -> tuple[Bytes, bool]:
    """Open the file as it is; with `ask`, tell whether browsers play it."""
    with ExitStack() as stack:
        file, handle = stack.enter_context(state.opened(file_id))
        plays = ask and plays_as_it_is(
            handle, file.format, sample_rate=file.sample_rate, channels=file.channels
        )
        close = stack.pop_all().close
    told = media_type(file.format)
    return Bytes(handle, close, told, _validators(file, "original"), file.name), plays


async def peaks(state: ServerState, file_id: str, bins: int) -> tuple[StoredFile, waveform.Peaks]:
    """Return the file and its peaks in `bins` bins; raises as `sound` does."""

    def write(file: StoredFile) -> Write:
        def to(out: BinaryIO) -> None:
            n_samples = math.ceil(file.duration_s * file.sample_rate)
            out.write(waveform.peaks_of(_blocks(file), n_samples).tobytes())

        return to

    file, handle = await _derived(state, file_id, "peaks", (waveform.VERSION,), write)
    with handle:
        stored = np.frombuffer(handle.read(), np.int8).reshape(2, -1)
    return file, waveform.folded(stored, bins)


async def picture(
    state: ServerState, file_id: str, width: int, height: int
) -> tuple[bytes, Validators]:
    """Return the PNG of a clip's spectrogram; raises as `sound` does."""

    def write(file: StoredFile) -> Write:
        def to(out: BinaryIO) -> None:
            n_samples = math.ceil(file.duration_s * file.sample_rate)
            out.write(
                spectrogram.spectrogram_png(
                    _blocks(file), n_samples, file.sample_rate, width=width, height=height
                )
            )

        return to

    parts = (spectrogram.VERSION, width, height)
    file, handle = await _derived(state, file_id, "png", parts, write)
    with handle:
        return handle.read(), _validators(file, f"{spectrogram.VERSION}-{width}x{height}")


async def _derived(
    state: ServerState,
    file_id: str,
    kind: str,
    parts: tuple[object, ...],
    write: Callable[[StoredFile], Write],
    long_s: float = _LONG_TO_READ_S,
) -> tuple[StoredFile, BinaryIO]:
    """Return what is cached of a file; what is not is made when a decoder is free."""
    cache = state.media_cache

    def find() -> tuple[StoredFile, BinaryIO | None]:
        file = state.file(file_id)
        return file, cache.found(kind, file.content_hash, *parts)

    file, found = await to_thread.run_sync(find)
    if found is not None:
        return file, found

    def checked(out: BinaryIO) -> None:
        write(file)(out)
        state.file(file_id)  # a file that changed meanwhile must not stand under the old content

    def make() -> BinaryIO:
        return cache.opened(kind, file.content_hash, *parts, write=checked)

    return file, await state.decodes.run(make, is_long=file.duration_s > long_s)


def _blocks(file: StoredFile) -> Iterator[NDArray[np.float32]]:
    from soundseek.audio.decode import stream

    return stream(file.path, file.sample_rate, _BLOCK_S)


def _validators(file: StoredFile, kind: str) -> Validators:
    return Validators(f'"{file.content_hash[:32]}-{kind}"', file.mtime_ns // 1_000_000_000)
