"""Engines and precisions for a bundle's two networks, side by side: size, time, memory, quality.

    python bench/engines.py --data DATA [--model NAME_OR_FOLDER] [--run RUN] [--limit N]
                            [--rounds 15] [--files 24] [--parts sound text indexing]

float32 is the network of RUN, or without --run the weights as shipped, and the others are compared
with it: weights kept as float16, as exports write them, int8 by ONNX Runtime's quantiser (static
for sound, calibrated on training clips of DATA; dynamic for text) and, where the package is
installed, OpenVINO on the same graphs. Times are taken by turns. Differences of mAP@10 (free test
clips) and of the accuracy on fold 10 of UrbanSound8K are paired, with 95 % intervals, in points;
each network is scored beside the other network in float32.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np

from engine_parts.graphs import sound_kinds, text_kinds
from engine_parts.indexing import index_by_turns
from engine_parts.quality import (
    BATCH,
    Values,
    beside,
    clip_vectors,
    cosines,
    named,
    precisions,
    stacked,
    tapped_sounds,
    tapped_texts,
    window_vectors,
)
from engine_parts.running import Feeds, Floats, Kind, Runs
from engine_parts.timing import by_turns, opened_alone
from soundseek import load_bundle
from soundseek.bundle.runtime import Bundle
from soundseek.bundle.schema import AUDIO_FILE, TEXT_FILE
from soundseek.lab.data.manifest import Clip, read_clips_jsonl, select
from soundseek.lab.data.texts import read_captions_csv, unique
from soundseek.lab.scorecard import RETRIEVAL, ZERO_SHOT

COMPARED = 300
CALIBRATED = 128
INDEXED = ("wav", "opus")

ALONE = ("network", "MB", "peak MB", "ms to open")
TIMES = (
    "1 thread, batch 1",
    f"1 thread, batch {BATCH}",
    "2 threads, batch 1",
    f"2 threads, batch {BATCH}",
)
VECTORS = ("cosine, mean", "least")
POINTS = ("mAP@10", "difference")
PARTS = ("sound", "text", "indexing")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="bundle, default the embedded one")
    parser.add_argument("--data", type=Path, required=True, help="clips.jsonl and text/")
    parser.add_argument("--run", type=Path, help="run of the bundle, for its float32 weights")
    parser.add_argument("--limit", type=int, help="clips of each set, default all")
    parser.add_argument("--rounds", type=int, default=15, help="runs a time is taken of")
    parser.add_argument("--files", type=int, default=24, help="files of 20 s to index")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)  # the quantiser's advice
    bundle = load_bundle(options.model)
    clips = read_clips_jsonl(options.data / "clips.jsonl")
    test = _some(select(clips, **RETRIEVAL["test"]), options.limit)
    labelled = _some(select(clips, **ZERO_SHOT["urbansound8k_fold10"]), options.limit)
    learnt = _some(select(clips, split="train", tiers=("free",), min_quality=1), CALIBRATED)
    if options.parts == ["text"]:
        labelled, learnt = [], []
    print(f"{bundle.name}; load of the machine {_load()}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        sounds = sound_kinds(bundle, options.run, learnt, Path(folder))
        if options.parts != ["indexing"]:
            texts = text_kinds(bundle, options.run, Path(folder))
            scored = Scored(bundle, test, labelled, sounds[0], texts[0])
        if "sound" in options.parts:
            scored.print_sounds(sounds, options.rounds, Path(folder))
        if "text" in options.parts:
            asked = options.data / "text" / "audiocaps_test.csv"
            scored.print_texts(texts, asked, options.rounds, Path(folder))
        if "indexing" in options.parts:
            indexed = [kind for kind in sounds if kind.name != "float32"]
            for extension in INDEXED:
                _print_indexing(bundle, indexed, extension, options.files)


class Scored:
    """The clips as the networks meet them, and both networks in float32."""

    def __init__(
        self,
        bundle: Bundle,
        test: Sequence[Clip],
        labelled: Sequence[Clip],
        sound: Kind,
        text: Kind,
    ) -> None:
        self.bundle = bundle
        self.dimension = bundle.dimension
        self.test, self.labelled = (tapped_sounds(bundle, c) for c in (test, labelled))
        self.sound = sound.opened(AUDIO_FILE, self.dimension, 1)
        self.text = text.opened(TEXT_FILE, self.dimension, 1)

    def print_sounds(self, kinds: Sequence[Kind], rounds: int, folder: Path) -> None:
        """The table of the sound networks."""
        feeds = stacked(self.test)
        feeds = {name: values[:BATCH] for name, values in feeds.items()}
        one = {name: values[:1] for name, values in feeds.items()}
        alone = opened_alone(kinds, AUDIO_FILE, self.dimension, _saved(feeds, folder))
        times = {
            threads: [
                by_turns(self._opened(kinds, AUDIO_FILE, threads), f, rounds) for f in (one, feeds)
            ]
            for threads in (1, 2)
        }
        print(f"\nsound: {len(self.test)} and {len(self.labelled)} clips; {_load()}")
        print("ms a second of sound: best, median (median of the processors)\n")
        print(_heading(*ALONE, *TIMES, *VECTORS, *POINTS, "fold 10", "difference"))
        reference: tuple[Floats, Values, Values] | None = None
        for kind in kinds:
            network = self.sound if kind is kinds[0] else kind.opened(AUDIO_FILE, self.dimension, 1)
            found = self._judged(network, self.text)
            reference = reference or found
            cells = [f"{kind.megabytes:.1f}", *alone[kind.name].cells()]
            for threads in (1, 2):
                for took, windows in zip(times[threads], (1, BATCH), strict=True):
                    t, each = took[kind.name], 1e3 / windows / self.bundle.hop_s
                    cells.append(
                        f"{t.best * each:.2f}, {t.median * each:.2f} ({t.processor * each:.2f})"
                    )
            cells += [f"{value:.4f}" for value in cosines(found[0], reference[0])]
            for own, whole in zip(found[1:], reference[1:], strict=True):
                cells += _points(own, whole)
            print(f"| {kind.name} | " + " | ".join(cells) + " |", flush=True)

    def print_texts(self, kinds: Sequence[Kind], captions: Path, rounds: int, folder: Path) -> None:
        """The table of the text networks."""
        asked = unique(read_captions_csv(captions))
        feeds = tapped_texts(self.bundle, asked)
        query = tapped_texts(self.bundle, ["rain falls on a tin roof while a dog barks"])[0]
        alone = opened_alone(kinds, TEXT_FILE, self.dimension, _saved(query, folder))
        times = by_turns(self._opened(kinds, TEXT_FILE, 1), query, 10 * rounds)
        audio = clip_vectors(window_vectors(self.sound, self.test), self.test)
        print(f"\ntext: {len(asked)} captions of AudioCaps' test set; {_load()}\n")
        print(_heading(*ALONE, "ms a query, 1 thread", *VECTORS, *POINTS))
        reference: tuple[Floats, Values] | None = None
        for kind in kinds:
            network = kind.opened(TEXT_FILE, self.dimension, 1)
            vectors = np.concatenate([network.run(f) for f in feeds])
            values = precisions(self._clips(), audio, self._encoder(network))
            reference = reference or (vectors, values)
            t = times[kind.name]
            cells = [
                f"{kind.megabytes:.1f}",
                *alone[kind.name].cells(),
                f"{t.best * 1e3:.2f}, {t.median * 1e3:.2f} ({t.processor * 1e3:.2f})",
                *(f"{value:.4f}" for value in cosines(vectors, reference[0])),
                *_points(values, reference[1]),
            ]
            print(f"| {kind.name} | " + " | ".join(cells) + " |", flush=True)

    def _judged(self, sound: Runs, text: Runs) -> tuple[Floats, Values, Values]:
        """Windows of the clips compared, AP@10 of the queries, classes named rightly."""
        windows = window_vectors(sound, self.test)
        chosen = np.random.default_rng(0).permutation(len(windows))[:COMPARED]
        encode = self._encoder(text)
        labelled = clip_vectors(window_vectors(sound, self.labelled), self.labelled)
        return (
            np.concatenate([windows[at] for at in chosen]),
            precisions(self._clips(), clip_vectors(windows, self.test), encode),
            named([one.clip for one in self.labelled], labelled, encode),
        )

    def _clips(self) -> list[Clip]:
        return [one.clip for one in self.test]

    def _encoder(self, network: Runs) -> Callable[[list[str]], Floats]:
        def encode(texts: list[str]) -> Floats:
            return np.concatenate([network.run(f) for f in tapped_texts(self.bundle, texts)])

        return encode

    def _opened(self, kinds: Sequence[Kind], which: str, threads: int) -> dict[str, Runs]:
        return {kind.name: kind.opened(which, self.dimension, threads) for kind in kinds}


def _print_indexing(bundle: Bundle, kinds: Sequence[Kind], extension: str, files: int) -> None:
    sound, taken = index_by_turns(bundle, kinds, extension, files, rounds=3)
    what = f"`Library.index`, {files} {extension} files of 20 s"
    print("\n" + _heading(what, "best s", "median s", "processor s", "× real time at best"))
    for name, t in taken.items():
        cells = f"{t.best:.2f} | {t.median:.2f} | {t.processor:.2f} | {sound / t.best:,.0f}"
        print(f"| {name} | {cells} |")
    print(_load(), flush=True)


def _heading(*columns: str) -> str:
    return "| " + " | ".join(columns) + " |\n" + "| --- " * len(columns) + "|"


def _points(own: Values, whole: Values) -> list[str]:
    test = beside(own, whole)
    low, high = (100 * bound for bound in test.ci95 or (0.0, 0.0))
    return [f"{own.mean():.4f}", f"{100 * test.difference:+.2f} [{low:+.2f}, {high:+.2f}]"]


def _saved(feeds: Feeds, folder: Path) -> Path:
    path = folder / "feeds.npz"
    np.savez(path, **feeds)  # type: ignore[arg-type]
    return path


def _some(clips: Sequence[Clip], most: int | None) -> list[Clip]:
    """At most so many, drawn by a fixed seed."""
    return [clips[at] for at in np.random.default_rng(0).permutation(len(clips))[:most]]


def _load() -> str:
    return "load " + ", ".join(f"{value:.1f}" for value in os.getloadavg())


if __name__ == "__main__":
    main()
