"""Tiny corpora, recipes of tiny systems, and clips, sounds and teachers in memory: no weights, no
network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from support.retrieval import Document

RATE = 16_000
KINDS = ("rain", "wind", "waves", "siren", "frog", "doorbell")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads on busy cores cost more than they give with tensors this small."""
    if find_spec("torch") is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with clips.jsonl, one caption file, and twelve sounds made by `soundseek.synth`."""
    from soundseek.synth import KINDS as TABLE
    from soundseek.synth import render

    folder = tmp_path_factory.mktemp("corpus")
    rows = []
    for variant, split in enumerate(("train", "validation")):
        for kind in KINDS:
            name = f"{kind}-{variant}"
            sound = render(kind, variant=variant, duration_s=1.3, sample_rate=RATE)
            soundfile.write(folder / f"{name}.wav", sound, RATE)
            rows.append(
                {
                    "id": name,
                    "file": f"{name}.wav",
                    "duration_s": 1.3,
                    "captions": [TABLE[kind].caption, f"the sound of {kind}"],
                    "source": "synth",
                    "split": split,
                    "licence": "CC0",
                    "group": f"{kind}-{split}",
                    "label": kind,
                    "tier": "free",
                    "caption_quality": 2,
                }
            )
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "clips.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three sounds to be heard without captions, and one of the split test."""
    from soundseek.synth import render

    folder = tmp_path_factory.mktemp("unlabelled")
    rows = []
    kinds = {"thunder": "train", "church_bell": "train", "cow": "train", "owl": "test"}
    for kind, split in kinds.items():
        sound = render(kind, variant=1, duration_s=1.1, sample_rate=RATE)
        soundfile.write(folder / f"{kind}.wav", sound, RATE)
        rows.append(
            {
                "id": f"made/{kind}",
                "file": f"{kind}.wav",
                "duration_s": 1.1,
                "captions": [f"nobody should learn {kind}"],
                "source": "made",
                "split": split,
                "licence": "CC0",
                "group": f"made/{kind}",
                "tier": "made",
                "caption_quality": 2,
            }
        )
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "clips.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def words_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training of a text tower leaves, with random weights and 16 dimensions."""
    from soundseek.lab.run_folder import RunFolder
    from soundseek.lab.text_encoders.tokenizer import train_tokenizer
    from soundseek.lab.words.network import build_network
    from soundseek.lab.words.recipe import WordsRecipe

    recipe = WordsRecipe.model_validate(
        {
            "system": "words",
            "name": "test/words",
            "description": "for tests",
            "seed": 5,
            "data": {
                "folder": "/nowhere",
                "captions": ["captions.csv"],
                "held_out": {"held": "held.csv"},
            },
            "network": {"vocabulary": 200, "width": 16, "layers": 1, "heads": 2, "max_tokens": 16},
            "table": {"steps": 30},
            "optimiser": {"steps": 70, "learning_rate": 0.01},
        }
    )
    tokenizer = train_tokenizer([f"the sound of {kind}" for kind in KINDS] * 2, 200)
    network = build_network(recipe.network, tokenizer, 16, recipe.seed)
    folder = tmp_path_factory.mktemp("words-run")
    run = RunFolder.claim(folder, recipe)
    run.save(
        {
            "step": 100,
            "seconds": 1.0,
            "average": network.state_dict(),
            "tokenizer_json": tokenizer,
        }
    )
    return folder


@pytest.fixture
def recipe_document(corpus: Path, words_run: Path) -> dict[str, Any]:
    """A recipe of six steps on `corpus`, with networks as small as they can be."""
    return {
        "system": "distilled",
        "name": "test/tiny",
        "description": "for tests",
        "seed": 3,
        "data": {"folder": str(corpus)},
        "audio": {"multiplier": 0.25, "width": 16, "head_hidden": 16, "window_patches": 1},
        "words": str(words_run),
        "augment": {
            "mixed": 0.4,
            "collage": 0.2,
            "speed": 1.1,
            "tilt_db": 6.0,
            "equaliser": 0.3,
            "low_pass": 0.2,
            "room": 0.3,
            "noise": 0.3,
        },
        "objective": {
            "nt_xent": 0.5,
            "teacher_embedding": 1.0,
            "teacher_scores": 0.1,
            "teacher_features": 1.0,
        },
        "optimiser": {"steps": 6, "warmup_steps": 2, "learning_rate": 0.003, "windows": 6},
        "run": {"checkpoint_steps": 3, "evaluate_steps": 6, "log_steps": 2, "device": "cpu"},
    }


@pytest.fixture
def fake_teachers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put random projections in the place of YAMNet and MiniLM."""
    import torch

    from soundseek.lab.distilled import prepare

    class Sound(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(11)
            self.embedding = torch.randn(64, 1024, generator=generator)
            self.scores = torch.randn(64, len(KINDS), generator=generator)

        def forward(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            bands = patches.float().mean(1)
            return (bands @ self.embedding).relu(), bands @ self.scores

    class Text:
        def encode(self, texts: Sequence[str]) -> np.ndarray:
            seeds = [sum(text.encode()) for text in texts]
            vectors = np.stack([np.random.default_rng(s).standard_normal(16) for s in seeds])
            unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            return unit.astype(np.float32)

    monkeypatch.setattr(prepare, "load_yamnet", lambda path: Sound().eval())
    monkeypatch.setattr(prepare, "class_names", lambda path: [kind.title() for kind in KINDS])
    monkeypatch.setattr(prepare, "MiniLm", Text)


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten training clips, five of validation and five of test, three captions each."""
    from soundseek.lab.retrieval.synthetic import write_synthetic_corpus

    return write_synthetic_corpus(tmp_path_factory.mktemp("synthetic"), kinds=5)


@pytest.fixture(scope="session")
def waveform_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all runs keep what they decoded."""
    return tmp_path_factory.mktemp("waveforms")


@pytest.fixture
def document(synthetic: Path, waveform_cache: Path) -> Document:
    """A recipe of five steps an epoch: networks as small as they can be."""

    def source(split: str) -> list[Document]:
        return [{"corpus": "clips", "root": str(synthetic), "split": split}]

    return {
        "system": "retrieval",
        "name": "test/tiny",
        "description": "for tests",
        "seed": 3,
        "data": {split: source(split) for split in ("train", "validation", "test")},
        "audio": {
            "encoder": "panns_cnn10",
            "weights": "random",
            "options": {"channels": (2, 4, 4, 8), "classes": None, "frontend": "panns_16k"},
            "max_s": 1.2,
        },
        "text": {
            "encoder": "small_transformer",
            "weights": "random",
            "options": {"width": 16, "layers": 1, "heads": 2, "vocabulary": 200},
            "max_tokens": 12,
        },
        "space": {"dimension": 8},
        "objective": [{"term": "nt_xent"}],
        "optimiser": {"kind": "adamw", "learning_rate": 0.003, "batch": 6, "epochs": 2},
        "run": {
            "cache": str(waveform_cache),
            "device": "cpu",
            "threads": 1,
            "log_steps": 1,
            "checkpoint_steps": 2,
        },
    }


@pytest.fixture(scope="session")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What two processes did, once for all tests, and the folder: `support.companions.in_two`."""
    from support.companions import in_two

    folder = tmp_path_factory.mktemp("two-processes")
    return in_two(folder), folder


@pytest.fixture(scope="session")
def recipe_of() -> Callable[..., Any]:
    """Return recipe_of(document, **differences) → the recipe with these merged over it."""
    from soundseek.lab.recipe_files import merged, validated
    from soundseek.lab.retrieval.recipe import RetrievalRecipe

    def made(document: Mapping[str, Any], **differences: Any) -> Any:
        return validated(RetrievalRecipe, merged(document, differences), "test")

    return made


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., Any]:
    """Return make_clip(id, captions, **fields) → a clip without a sound."""
    from soundseek.lab.data.manifest import Clip

    def made(name: str, captions: Sequence[str] = ("a sound",), **fields: Any) -> Any:
        plain: Document = {
            "path": f"/nowhere/{name}.wav",
            "duration_s": 1.0,
            "tags": (),
            "source": "test",
            "split": "train",
            "licence": "CC0",
            "group": name,
        }
        return Clip(id=name, captions=tuple(captions), **{**plain, **fields})

    return made


@pytest.fixture(scope="session")
def make_store() -> Callable[..., Any]:
    """Return make_store(waveforms, sample_rate=16000) → a `WaveformStore` in memory."""
    from soundseek.lab.data.waveforms import WaveformStore

    def made(waveforms: Sequence[np.ndarray], sample_rate: int = 16_000) -> Any:
        samples = np.concatenate([np.round(wave * 32767.0).astype(np.int16) for wave in waveforms])
        offsets = np.concatenate([[0], np.cumsum([len(wave) for wave in waveforms])])
        return WaveformStore(samples, offsets.astype(np.int64), sample_rate, {})

    return made
