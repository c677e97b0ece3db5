"""Batches of the trainer as they come to the device, beside a DataLoader that calls librosa."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from soundseek.lab.augment.pipeline import TextResources
from soundseek.lab.augment.settings import AudioAugment
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import open_waveforms
from soundseek.lab.feeding import made_ahead
from soundseek.lab.retrieval.batches import BatchMaker, Sounds
from soundseek.lab.retrieval.learner import Lesson
from soundseek.lab.retrieval.lessons import Division, LessonMaker
from soundseek.lab.retrieval.prepare import Part
from soundseek.lab.retrieval.recipe import Augment
from soundseek.lab.training.pairs import PairOrder
from training_parts.children import Case, Found, median, most, rounds, shared_out_mb, table
from training_parts.corpus import (
    lengths_s,
    listed,
    noise_store,
    real_clips,
    synthetic_clips,
)

RATE = 32_000
CROP_S = 10.0
_GAIN_DB = 3.0
_AUGMENT = Augment(
    audio=AudioAugment(
        gain_db=_GAIN_DB, spec_time_stripes=2, spec_band_stripes=2, spec_band_width=8
    )
)
_WAYS = ("ahead", "needed", "librosa")
_BUCKETS = (None, 8)
_LOOKED_AT = 4  # batches, after the clock has stopped


def loader(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Print the tables and return their figures."""
    formats = ["real"] if options.data else options.formats
    for name in [] if options.data else formats:
        synthetic_clips(folder / name, name, options.clips)
    common = {"folder": str(folder)}
    cases: list[Case] = [
        {"way": "ahead", "format": formats[0], "workers": workers, **common} for workers in (1, 2)
    ]
    for name in formats:
        for way, numbers in (("needed", (1, 2)), ("librosa", (0, 2))):
            cases += [{"way": way, "format": name, "workers": n, **common} for n in numbers]
    found = rounds("loader", cases, options)
    said = {
        "ahead": "soundseek, decoded ahead",
        "needed": "soundseek, when needed",
        "librosa": "DataLoader, librosa.load",
    }
    print(
        f"Loader: {options.batches} batches of {options.batch} crops of {CROP_S:.0f} s at "
        f"{RATE:,} Hz, {options.clips} clips\n"
    )
    columns = ("way", "files", "workers", "× real time", "batches/s", "memory, MB")
    table(
        columns,
        [
            (
                said[case["way"]],
                "—" if case["way"] == "ahead" else case["format"],
                case["workers"],
                f"{median(runs, 'real_time'):,.0f}",
                f"{median(runs, 'batches_s'):.2f}",
                f"{most(runs, 'memory_mb'):,.0f}",
            )
            for case, runs in zip(cases, found, strict=True)
        ],
    )
    buckets = [{"way": "bucket", "bucket": bucket, "workers": 1, **common} for bucket in _BUCKETS]
    sorted_out = rounds("loader", buckets, options)
    print(f"Whole clips of 15 to 30 s, batches of {options.batch}, decoded ahead, one worker\n")
    table(
        ("data.bucket", "padding", "× real time", "batches/s"),
        [
            (
                case["bucket"] or "none",
                f"{100 * median(runs, 'padding'):.1f} %",
                f"{median(runs, 'real_time'):,.0f}",
                f"{median(runs, 'batches_s'):.2f}",
            )
            for case, runs in zip(buckets, sorted_out, strict=True)
        ],
    )
    return {"loading": [cases, found], "bucketing": [buckets, sorted_out]}


def measured_loader(case: Case, options: argparse.Namespace) -> Found:
    """One case, in a process of its own."""
    torch.set_num_threads(1)
    if case["way"] == "bucket":
        return _bucketed(case["bucket"], options)
    folder = Path(case["folder"])
    if options.data:
        clips = real_clips(Path(options.data), options.clips)
    else:
        clips = _written(folder / case["format"], case["format"], options.clips)
    if case["way"] == "librosa":
        return _librosa(clips, case["workers"], options)
    store = open_waveforms(clips, RATE, folder / "cache", ahead=case["way"] == "ahead")
    part = Part(Sounds.of(clips, store, least=RATE // 10, most=round(CROP_S * RATE)), None)
    return _soundseek(part, case["workers"], options, None)


def _written(folder: Path, extension: str, n: int) -> list[Clip]:
    """The clips that `synthetic_clips` has written."""
    return [
        replace(listed(i, length), path=str(folder / f"{i:04}.{extension}"))
        for i, length in enumerate(lengths_s(n))
    ]


def _bucketed(bucket: int | None, options: argparse.Namespace) -> Found:
    n = options.batch * 8
    clips = [listed(i, length) for i, length in enumerate(lengths_s(n))]
    store = noise_store([clip.duration_s for clip in clips], RATE)
    part = Part(Sounds.of(clips, store, least=RATE // 10, most=30 * RATE), None)
    return _soundseek(part, 1, options, bucket)


def _soundseek(part: Part, workers: int, options: argparse.Namespace, bucket: int | None) -> Found:
    order = PairOrder(part.clips, each=False, batch=options.batch, seed=0, bucket=bucket)
    maker = BatchMaker(part.sounds, _AUGMENT, TextResources(), 0)
    lessons = LessonMaker(part, maker, [], order, Division(), seed=0, before=0)
    end = options.batches + _LOOKED_AT
    made = made_ahead(lessons.lessons, 0, end, workers=workers)
    return _drained(_sizes(made), options.batches, [])


def _sizes(made: Iterable[list[Lesson]]) -> Iterator[tuple[int, int]]:
    """Samples of sound in a batch, and places for them."""
    for lessons in made:
        batch = lessons[0].batch
        yield int(batch.samples.sum()), batch.waveforms.numel()


class _Files(torch.utils.data.Dataset[tuple[Tensor, str]]):
    """As one would write it: load, cut at random, change the level."""

    def __init__(self, clips: Sequence[Clip], items: int) -> None:
        self.clips, self.items = clips, items

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        import librosa

        clip = self.clips[index % len(self.clips)]
        sound, _ = librosa.load(clip.path, sr=RATE, mono=True)
        samples = round(CROP_S * RATE)
        rng = np.random.default_rng(index)
        if len(sound) > samples:
            first = int(rng.integers(len(sound) - samples + 1))
            sound = sound[first : first + samples]
        gain = 10.0 ** (rng.uniform(-_GAIN_DB, _GAIN_DB) / 20.0)
        return torch.from_numpy(sound * np.float32(gain)), clip.captions[0]


def _together(items: list[tuple[Tensor, str]]) -> tuple[Tensor, Tensor, list[str]]:
    sounds = [sound for sound, _ in items]
    padded = torch.nn.utils.rnn.pad_sequence(sounds, batch_first=True)
    return padded, torch.tensor([len(sound) for sound in sounds]), [text for _, text in items]


def _librosa(clips: Sequence[Clip], workers: int, options: argparse.Namespace) -> Found:
    import librosa

    librosa.load(clips[0].path, sr=RATE)  # what it imports when first asked is not counted
    items = options.batch * (options.batches + _LOOKED_AT)
    batches = torch.utils.data.DataLoader(
        _Files(clips, items),
        batch_size=options.batch,
        shuffle=True,
        generator=torch.Generator().manual_seed(0),
        num_workers=workers,
        collate_fn=_together,
    )
    started = time.perf_counter()
    iterator = iter(batches)
    pids = [worker.pid for worker in getattr(iterator, "_workers", [])]
    sizes = ((int(samples.sum()), padded.numel()) for padded, samples, _ in iterator)
    return _drained(sizes, options.batches, pids, started)


def _drained(
    sizes: Iterator[tuple[int, int]], batches: int, pids: list[int], started: float | None = None
) -> Found:
    """Take `batches` by the clock, then some more to look at the memory."""
    started = time.perf_counter() if started is None else started
    taken = [next(sizes) for _ in range(batches)]
    seconds = time.perf_counter() - started
    memory = [shared_out_mb([os.getpid(), *pids]) for _ in islice(sizes, _LOOKED_AT)]
    sound = sum(samples for samples, _ in taken)
    return {
        "real_time": sound / RATE / seconds,
        "batches_s": batches / seconds,
        "padding": 1 - sound / sum(places for _, places in taken),
        "memory_mb": max(memory),
    }
