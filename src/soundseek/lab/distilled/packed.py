"""Lessons in a small folder, to be carried to a machine with a GPU and little else.

Sounds as Opus at a low bit rate (an hour takes 7 MB at 16 kbit/s), text vectors in 8 bits, the
teachers' weights in half precision. Student and teacher hear the same decoded sound, so coding
costs little; clips that are only measured on stay behind.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from soundseek.audio.frontends import PRESETS
from soundseek.errors import DataError
from soundseek.lab.distilled.lessons import Lessons
from soundseek.lab.distilled.plans import Captioned
from soundseek.lab.teachers.anchored import AnchoredTeacher
from soundseek.lab.teachers.yamnet import Yamnet

_FACTS = "facts.npz"
_SOUNDS, _MADE = "sounds", "made"
_BORDER = "border.txt"
_PIECE_S = 300
_RATE = PRESETS["yamnet_16k"].sample_rate
# Opus decoders give back what was encoded and a little more; some eat a few samples of the end.
_MOST_LOST = 0.02


def write_sounds(
    samples: NDArray[np.int16], folder: Path, *, bit_rate: int, prefix: str = _SOUNDS
) -> None:
    """Write 16 kHz samples as pieces of five minutes. Needs PyAV (the extra `video`)."""
    import av

    folder.mkdir(parents=True, exist_ok=True)
    step = _PIECE_S * _RATE
    for number, start in enumerate(range(0, len(samples), step)):
        piece = np.ascontiguousarray(samples[start : start + step])
        with av.open(str(folder / f"{prefix}-{number:04d}.opus"), "w", format="ogg") as file:
            stream = file.add_stream("libopus", rate=_RATE)
            stream.layout = "mono"
            stream.bit_rate = bit_rate
            frame = av.AudioFrame.from_ndarray(piece[None], format="s16", layout="mono")
            frame.sample_rate = _RATE
            for packet in (*stream.encode(frame), *stream.encode(None)):
                file.mux(packet)


def read_sounds(folder: Path, total: int, *, prefix: str = _SOUNDS) -> NDArray[np.int16]:
    """The `total` samples of all pieces, decoded in parallel.

    Raises `DataError` where pieces are missing.
    """
    paths = sorted(folder.glob(f"{prefix}-*.opus"))
    step = _PIECE_S * _RATE
    if len(paths) != -(-total // step):
        raise DataError(f"{folder} holds {len(paths)} pieces of sound, not {-(-total // step)}")
    samples = np.zeros(total, np.int16)

    def decode(number: int) -> None:
        piece, rate = soundfile.read(paths[number], dtype="int16")
        wanted = min(step, total - number * step)
        if rate != _RATE or len(piece) < wanted - _MOST_LOST * _RATE:
            raise DataError(f"{paths[number]}: {len(piece)} samples at {rate} Hz")
        piece = piece[:wanted]
        samples[number * step : number * step + len(piece)] = piece

    with ThreadPoolExecutor() as pool:
        list(pool.map(decode, range(len(paths))))
    return samples


def write_pack(lessons: Lessons, folder: Path, *, labelled: int, bit_rate: int) -> None:
    """Write facts and sounds; those of the first `labelled` clips apart from the made ones behind
    them, so that they can be carried in two journeys."""
    write_facts(lessons, folder)
    border = int(lessons.offsets[labelled])
    samples = np.asarray(lessons.samples)
    write_sounds(samples[:border], folder, bit_rate=bit_rate)
    write_sounds(samples[border:], folder, bit_rate=bit_rate, prefix=_MADE)
    (folder / _BORDER).write_text(f"{border} {len(samples)}\n", encoding="utf-8")


def read_pack(folder: Path, *, made: bool = True) -> Lessons:
    """What `write_pack` wrote; without the `made` sounds if they are not wanted.

    Raises `DataError` where something is missing.
    """
    lessons = read_facts(folder)
    border, total = map(int, (folder / _BORDER).read_text(encoding="utf-8").split())
    samples = read_sounds(folder, border)
    if not made:
        return replace(lessons, samples=samples, offsets=lessons.offsets.clip(max=border))
    more = read_sounds(folder, total - border, prefix=_MADE)
    return replace(lessons, samples=np.concatenate([samples, more]))


def write_facts(lessons: Lessons, folder: Path) -> None:
    """Write everything but the sounds."""
    folder.mkdir(parents=True, exist_ok=True)
    own = lessons.captioned
    used, rows = np.unique(own.rows, return_inverse=True)
    vectors = lessons.vectors[used].numpy()
    arrays: dict[str, NDArray[np.generic]] = {
        "offsets": lessons.offsets,
        "rows": rows.astype(np.int32),
        "row_offsets": own.offsets,
        "groups": own.groups,
        "vectors": np.round(vectors / _largest(vectors) * 127.0).astype(np.int8),
        "anchors": lessons.anchors.numpy().astype(np.float16),
    }
    for name, tensor in lessons.teacher.state_dict().items():
        arrays[f"teacher/{name}"] = tensor.cpu().numpy().astype(np.float16)
    for name, tensor in lessons.yamnet.convs.items():
        arrays[f"yamnet/{name}"] = tensor.detach().cpu().numpy().astype(np.float16)
    np.savez_compressed(folder / _FACTS, **arrays)  # type: ignore[arg-type]


def read_facts(folder: Path) -> Lessons:
    """What `write_facts` wrote: lessons without a sound yet, and nothing to validate on.

    Raises `DataError` where there is nothing.
    """
    path = folder / _FACTS
    if not path.is_file():
        raise DataError(f"no lessons in {folder}", remedy="pack them first")
    with np.load(path) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    vectors = torch.from_numpy(found["vectors"].astype(np.float32))
    anchors = torch.from_numpy(found["anchors"].astype(np.float32))
    teacher = AnchoredTeacher(anchors)
    teacher.load_state_dict(
        {name: torch.from_numpy(value) for name, value in _below(found, "teacher/").items()}
    )
    return Lessons(
        samples=np.zeros(0, np.int16),
        offsets=found["offsets"],
        captioned=Captioned(found["rows"].astype(np.int64), found["row_offsets"], found["groups"]),
        vectors=torch.nn.functional.normalize(vectors, dim=-1),
        anchors=anchors,
        yamnet=Yamnet(_below(found, "yamnet/")).eval(),
        teacher=teacher.eval().requires_grad_(False),
        validation=None,
    )


def _largest(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    largest: NDArray[np.float32] = np.abs(vectors).max(axis=1, keepdims=True)
    return largest


def _below(found: dict[str, NDArray[np.generic]], prefix: str) -> dict[str, NDArray[np.float32]]:
    return {
        name.removeprefix(prefix): value.astype(np.float32)
        for name, value in found.items()
        if name.startswith(prefix)
    }
