"""Embedding a validation set and scoring it, beside one clip at a time and one query at a time."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from soundseek.lab.data.manifest import Clip
from soundseek.lab.retrieval.batches import Sounds
from soundseek.lab.retrieval.embedding import embed_clips, embed_texts
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.prepare import Part
from soundseek.lab.retrieval.validation import validation_figures
from soundseek.lab.similarities import similarities
from training_parts.children import Case, Found, median, most, peak_mb, rounds, table
from training_parts.corpus import lengths_s, listed, noise_store
from training_parts.recipes import recipe_of
from training_parts.set_up import built, stage_of

SYSTEM = "narrow Cnn10 + small transformer"
CLIPS, CAPTIONS, DIMENSION = 1045, 5, 1024
_Floats = NDArray[np.float32]


def evaluate(options: argparse.Namespace, _: Path) -> dict[str, Any]:
    """Print the tables and return their figures; ends where the ways do not agree."""
    listening: list[Case] = [{"way": way} for way in ("validation", "one by one")]
    heard = rounds("evaluate", listening, options)
    print(f"Evaluation: {SYSTEM}, {options.validation} clips of 15 to 30 s, {options.device}\n")
    columns = ("way", "sounds, s", "texts, s", "metrics, s", "× real time", "metrics' share", "MB")
    table(
        columns,
        [
            (
                "validation" if case["way"] == "validation" else "clip by clip, caption by caption",
                *(f"{median(runs, part):.2f}" for part in ("sounds", "texts", "metrics")),
                f"{median(runs, 'real_time'):,.0f}",
                f"{100 * median(runs, 'share'):.2f} %",
                f"{most(runs, 'peak_mb'):,.0f}",
            )
            for case, runs in zip(listening, heard, strict=True)
        ],
    )
    scoring: list[Case] = [{"way": "scoring"}, {"way": "query by query"}]
    scored = rounds("evaluate", scoring, options)
    print(f"Scores and metrics of {CLIPS:,} clips × {CLIPS * CAPTIONS:,} queries, random vectors\n")
    table(
        ("way", "s", "MB", "mAP@10"),
        [
            (
                "similarities and metrics with intervals"
                if case["way"] == "scoring"
                else "query by query, sorted, no intervals",
                f"{median(runs, 'seconds'):.2f}",
                f"{most(runs, 'peak_mb'):,.0f}",
                f"{runs[0]['map10']:.6f}",
            )
            for case, runs in zip(scoring, scored, strict=True)
        ],
    )
    for one, other in ((heard[0], heard[1]), (scored[0], scored[1])):
        if abs(one[0]["map10"] - other[0]["map10"]) > 1e-3:
            raise SystemExit("the ways do not agree in mAP@10")
    return {"listening": [listening, heard], "scoring": [scoring, scored]}


def measured_evaluation(case: Case, options: argparse.Namespace) -> Found:
    """One case, in a process of its own."""
    torch.set_num_threads(options.threads)
    if case["way"] in ("scoring", "query by query"):
        return _scored(case["way"])
    recipe = recipe_of(SYSTEM, run={"device": options.device})
    clips, sounds = _clips(options.validation), lengths_s(options.validation)
    model = built(recipe, len(clips)).to(options.device)
    rate = model.audio.audio_encoder.sample_rate
    store = noise_store(sounds, rate)
    part = Part(Sounds.of(clips, store, least=model.audio.least_samples, most=30 * rate), None)
    # The first of a shape is slower: not what a whole training sees.
    embed_clips(model, noise_store([15.0, 30.0], rate), max_s=30.0)
    if case["way"] == "one by one":
        found, figures = _one_by_one(model, part)
    else:
        found, figures = _by_parts(model, part), {}
        with TemporaryDirectory() as folder:
            stage = stage_of(recipe, model, part, Path(folder))
            started = time.perf_counter()
            figures = validation_figures(
                recipe, model, stage.objective, part, stage.material.validation_maker, stage.fabric
            )
            found["all"] = time.perf_counter() - started
    everything = found["sounds"] + found["texts"] + found["metrics"]
    return {
        **found,
        "real_time": sum(sounds) / everything,
        "share": found["metrics"] / everything,
        "map10": figures["mAP@10"],
        "peak_mb": peak_mb(),
    }


def _clips(n: int) -> list[Clip]:
    return [
        replace(
            clip,
            captions=tuple(
                " ".join([*clip.captions[0].split()[turn:], f"{turn}"]) for turn in range(CAPTIONS)
            ),
        )
        for clip in (listed(number, length) for number, length in enumerate(lengths_s(n)))
    ]


def _by_parts(model: RetrievalModel, part: Part) -> dict[str, float]:
    """As `validation_figures` does it, with the clock between."""
    texts = sorted({caption for clip in part.clips for caption in clip.captions})
    begun = time.perf_counter()
    audio = embed_clips(model, part.store, max_s=30.0)
    heard = time.perf_counter()
    text = embed_texts(model, texts)
    read = time.perf_counter()
    similarities(part.clips, audio, texts, text).metrics()
    return {"sounds": heard - begun, "texts": read - heard, "metrics": time.perf_counter() - read}


@torch.no_grad()
def _one_by_one(model: RetrievalModel, part: Part) -> tuple[dict[str, float], dict[str, float]]:
    """As the DCASE baseline goes about it: a batch of one."""
    texts = sorted({caption for clip in part.clips for caption in clip.captions})
    model.eval()
    begun = time.perf_counter()
    vectors = []
    for number in range(len(part.store)):
        sound = torch.from_numpy(part.store.read(number))[None]
        heard = model.embed_audio(
            sound.to(model.device), torch.tensor([sound.shape[1]]).to(model.device)
        )
        vectors.append(heard.embedding[0].cpu().numpy())
    listened = time.perf_counter()
    text = np.stack([model.embed_text([one])[0].cpu().numpy() for one in texts])
    read = time.perf_counter()
    found = similarities(part.clips, np.stack(vectors), texts, text).metrics()
    taken = {
        "sounds": listened - begun,
        "texts": read - listened,
        "metrics": time.perf_counter() - read,
    }
    return taken, {name: metric.value for name, metric in found.items()}


def _scored(way: str) -> Found:
    clips = _clips(CLIPS)
    texts = sorted({caption for clip in clips for caption in clip.captions})
    rng = np.random.default_rng(0)
    audio: _Floats = rng.standard_normal((CLIPS, DIMENSION), np.float32)
    of_text = {caption: number for number, clip in enumerate(clips) for caption in clip.captions}
    noise = 10 * rng.standard_normal((len(texts), DIMENSION), np.float32)
    text: _Floats = audio[[of_text[one] for one in texts]] + noise
    started = time.perf_counter()
    if way == "scoring":
        map10 = similarities(clips, audio, texts, text).metrics()["mAP@10"].value
    else:
        map10 = float(
            np.mean([_precision(audio, text[i], of_text[t]) for i, t in enumerate(texts)])
        )
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "map10": map10, "peak_mb": peak_mb()}


def _precision(audio: _Floats, query: _Floats, wanted: int) -> float:
    """1 / rank of the only relevant clip, 0 beyond the tenth."""
    first = np.argsort(audio @ query)[::-1][:10]
    places = np.flatnonzero(first == wanted)
    return 1.0 / (1 + int(places[0])) if places.size else 0.0
