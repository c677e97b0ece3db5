"""Embedding throughput of a bundle, end to end from files, and its network beside eager torch.

    python bench/embedding.py [--model NAME_OR_FOLDER] [--minutes 20]

First table: `Library.index` (scan, hash, decode, resample, log-mel, network, database) over files
of one format, in × real time of the sound. Second table: the network alone, the same windows
through ONNX Runtime and through the same architecture in eager torch, both on all processors: the
shipped one, with --multiplier, --width and --head-hidden for others of its kind.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch

import soundseek
from soundseek.lab.audio_encoders.mobile import MobileNet
from soundseek.lab.distilled.heads import AnchoredHead
from soundseek.library import Library
from soundseek.synth import SCENES, render_scene

FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}
CLIP_S = 20.0
BATCHES = (1, 4, 16, 32)
# libsndfile's Opus knows this rate, not 44.1 kHz.
RATES = {"opus": 48_000}


def write_files(folder: Path, extension: str, n: int) -> None:
    """`n` different stereo files of 20 s."""
    container, subtype = FORMATS[extension]
    rate = RATES.get(extension, 44_100)
    scenes = [render_scene(name, seed=1, sample_rate=rate) for name in list(SCENES)[:3]]
    samples = int(CLIP_S * rate)
    folder.mkdir()
    for i in range(n):
        rng = np.random.default_rng(i)
        scene = scenes[i % len(scenes)]
        start = int(rng.integers(0, max(1, len(scene) - samples)))
        mono = np.resize(scene[start : start + samples], samples)
        stereo = np.stack([mono, 0.8 * np.roll(mono, 7 + i)], axis=1)
        path = folder / f"{i:04d}.{extension}"
        soundfile.write(path, stereo, rate, format=container, subtype=subtype)


def seconds(work: Callable[[], object], repeats: int = 9) -> float:
    """Median wall time after one run to warm up."""
    work()
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


def end_to_end(model: str | None, minutes: float) -> None:
    n = max(2, round(minutes * 60 / CLIP_S))
    print(f"| {n} stereo files of {CLIP_S:.0f} s | seconds | × real time |\n| --- | --- | --- |")
    for extension in FORMATS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_files(folder / "sounds", extension, n)
            bundle = soundseek.load_bundle(model)
            started = time.perf_counter()
            with Library.open(folder / "library", bundle=bundle, create=True) as library:
                report = library.index([folder / "sounds"])
            taken = time.perf_counter() - started
            if report.added != n:
                raise SystemExit(f"{report.added} of {n} {extension} files were indexed")
        print(f"| {extension} | {taken:.2f} | {n * CLIP_S / taken:,.0f} |", flush=True)


def check_same_size(folder: Path, eager: list[torch.nn.Module]) -> None:
    """Raise SystemExit where eager torch would run another network than the bundle's."""
    import onnx

    weights = onnx.load(folder / "audio.onnx").graph.initializer
    exported = sum(int(np.prod(weight.dims)) for weight in weights)
    values = sum(value.numel() for network in eager for value in network.parameters())
    # An export folds the normalisations into the convolutions, which is under one hundredth.
    if abs(values - exported) > 0.02 * exported:
        raise SystemExit(
            f"audio.onnx has {exported:,} values, the eager network {values:,}: "
            "give the options of the bundle's recipe"
        )


def network_alone(model: str | None, sizes: argparse.Namespace) -> None:
    import onnxruntime

    bundle = soundseek.load_bundle(model)
    threads = len(os.sched_getaffinity(0))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(bundle.folder / "audio.onnx", options)
    torch.set_num_threads(threads)
    encoder = MobileNet(multiplier=sizes.multiplier, width=sizes.width).eval()
    anchors = torch.randn(521, bundle.dimension)
    head = AnchoredHead(encoder.width, anchors, hidden=sizes.head_hidden).eval()
    check_same_size(bundle.folder, [encoder, head])

    print("\n| network alone, windows a batch | ONNX Runtime, × real time | eager torch | ratio |")
    print("| --- | --- | --- | --- |")
    for batch in BATCHES:
        noise = np.random.default_rng(0).standard_normal(
            (batch, bundle.manifest.audio.window_samples)
        )
        features = encoder.features(torch.from_numpy((noise * 0.1).astype(np.float32)))
        lengths = torch.full((batch,), features.shape[1])
        feeds = {"features": features.numpy(), "lengths": lengths.numpy()}
        with torch.no_grad():
            theirs = seconds(lambda f=features, n=lengths: head(encoder(f, n)))
        ours = seconds(lambda feeds=feeds: session.run(None, feeds))
        heard = batch * bundle.window_s
        print(f"| {batch} | {heard / ours:,.0f} | {heard / theirs:,.0f} | {theirs / ours:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="bundle, default the embedded one")
    parser.add_argument("--minutes", type=float, default=20.0, help="of sound per format")
    parser.add_argument("--multiplier", type=float, default=1.6, help="audio.multiplier")
    parser.add_argument("--width", type=int, default=1280, help="audio.width")
    parser.add_argument("--head-hidden", type=int, default=512, help="audio.head_hidden")
    options = parser.parse_args()
    end_to_end(options.model, options.minutes)
    network_alone(options.model, options)


if __name__ == "__main__":
    main()
