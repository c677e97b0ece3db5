"""Embedded models beside the newcomer's trick and chance, on the same clips, in one run.

    python bench/embedded_model.py --data DATA [--run runs/mini] [--models A B ...] [--keep FILE]

Columns: each bundle through the runtime; YAMNet's class scores matched to queries through MiniLM
vectors of the class names; with --run the teacher that a model was distilled from; random
vectors. DATA holds clips.jsonl and weights/yamnet. Writes docs/results/embedded_model.{json,md}.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models_beside import open_models
from soundseek.audio.decode import read
from soundseek.audio.frontends import PRESETS
from soundseek.lab.data.manifest import read_clips_jsonl
from soundseek.lab.data.waveforms import WaveformStore
from soundseek.lab.distilled.prepare import listen
from soundseek.lab.scorecard import scorecard, table
from soundseek.lab.teachers.anchored import AnchoredTeacher
from soundseek.lab.teachers.minilm import MiniLm
from soundseek.lab.teachers.yamnet import class_names, load_yamnet

Floats = NDArray[np.float32]
RESULTS = Path(__file__).parent.parent / "docs" / "results"


def yamnet_outputs(data: Path) -> Callable[[str], tuple[torch.Tensor, torch.Tensor]]:
    """Path → mean embedding and mean scores; each file is heard once."""
    yamnet = load_yamnet(data / "weights" / "yamnet" / "yamnet.tflite")
    rate = PRESETS["yamnet_16k"].sample_rate
    heard: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def outputs(path: str) -> tuple[torch.Tensor, torch.Tensor]:
        if path not in heard:
            samples = (np.clip(read(path, rate)[0], -1, 1) * 32767).astype(np.int16)
            store = WaveformStore(samples, np.array([0, len(samples)]), rate, {})
            heard[path] = listen(yamnet, store).whole()
        return heard[path]

    return outputs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="adds the run's teacher")
    parser.add_argument(
        "--models", nargs="+", default=[], help="names or folders of bundles, default the embedded"
    )
    parser.add_argument(
        "--keep", type=Path, help="JSON of an earlier run: its columns that are not measured now"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of embedded_model.*")
    options = parser.parse_args()
    kept = json.loads(options.keep.read_text(encoding="utf-8")) if options.keep else {}

    clips = read_clips_jsonl(options.data / "clips.jsonl")
    minilm = MiniLm()
    known: dict[str, Floats] = {}

    def minilm_text(texts: list[str]) -> Floats:
        missing = sorted(set(texts) - set(known))
        known.update(zip(missing, minilm.encode(missing), strict=True) if missing else ())
        return np.stack([known[text] for text in texts])

    names = class_names(options.data / "weights" / "yamnet" / "yamnet_class_map.csv")
    name_vectors = torch.from_numpy(minilm.encode([name.lower() for name in names]))
    outputs = yamnet_outputs(options.data)

    def unit(vector: torch.Tensor) -> Floats:
        result: Floats = torch.nn.functional.normalize(vector, dim=-1)[0].numpy()
        return result

    def random_vector(key: str) -> Floats:
        draw = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(384)
        return (draw / np.linalg.norm(draw)).astype(np.float32)

    cards: dict[str, dict[str, Any]] = {
        name: scorecard(clips, lambda p, b=bundle: b.encode_audio(p)[0], bundle.encode_text)
        for name, bundle in open_models(options.models).items()
    }
    cards["YAMNet labels × MiniLM"] = scorecard(
        clips, lambda p: unit(outputs(p)[1] @ name_vectors), minilm_text
    )
    if options.run:
        state = torch.load(options.run / "last.pt", weights_only=True)
        teacher = AnchoredTeacher(state["anchors"])
        teacher.load_state_dict(state["teacher"])
        teacher.eval().requires_grad_(False)
        cards["teacher"] = scorecard(clips, lambda p: unit(teacher(*outputs(p))), minilm_text)
    for name in sorted(kept.keys() - cards.keys() - {"chance"}):
        # Sets that have changed since are not beside the others.
        cards[name] = {
            each: entry
            for each, entry in kept[name].items()
            if entry["clips"] == next(iter(cards.values())).get(each, {}).get("clips")
        }
    # Drawn by a clip's place in DATA: the same figures wherever DATA is.
    cards["chance"] = scorecard(
        clips,
        lambda p: random_vector(Path(p).relative_to(options.data).as_posix()),
        lambda texts: np.stack([random_vector(text) for text in texts]),
    )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "embedded_model.json").write_text(json.dumps(cards, indent=1) + "\n")
    (options.out / "embedded_model.md").write_text(table(cards) + "\n")
    print(table(cards))


if __name__ == "__main__":
    main()
