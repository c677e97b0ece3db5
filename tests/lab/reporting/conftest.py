"""A run's folder made by hand: every file that a report reads, no model and no training."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

Document = dict[str, Any]

RECIPE: Document = {
    "system": "retrieval",
    "name": "test/hand <made>",
    "description": "by hand | & in <haste>",
    "seed": 7,
    "published": {
        "source": "a paper",
        "on": "clotho/evaluation",
        "scores": {"R@1": 0.1, "mAP@10": 0.2},
    },
    "data": {"test": [{"corpus": "clips", "split": "test"}], "most_clips": None},
    "optimiser": {"select": "best"},
    "stages": [{"stage": "first"}, {"optimiser": {"select": "last"}}],
}


def write_table(file: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table of figures as a run appends to it."""
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([head, *rows])


@pytest.fixture
def found(tmp_path: Path) -> Any:
    """Twelve queries on six clips, two queries a clip; the score of clip i for query q is known.

    Query 0 finds its clip last, query 1 first; the others by chance.
    """
    from soundseek.lab.similarities import ListedSound, Similarities

    rng = np.random.default_rng(4)
    scores = rng.random((12, 6), dtype=np.float32)
    relevant = np.repeat(np.eye(6, dtype=np.bool_), 2, axis=0)
    scores[0], scores[1] = [0.0, 0.5, 0.9, 0.7, 0.6, 0.4], [1.0, 0.5, 0.9, 0.7, 0.6, 0.4]
    clips = [
        ListedSound(f"c{i}", str(tmp_path / "sounds" / f"a&b #{i}.wav"), 0.25 * i, 1.5)
        for i in range(6)
    ]
    queries = [f"query {i}" for i in range(12)]
    queries[0] = 'a <b>dog</b> & "cat"'
    return Similarities(queries, clips, scores, relevant)


@pytest.fixture
def run_folder(tmp_path: Path, found: Any) -> Callable[..., Path]:
    """Return run_folder(**changes of its recipe) → the folder of a run of two stages."""
    from soundseek.lab.reporting.figures import measured

    def made(**changes: Any) -> Path:
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        (folder / "recipe.json").write_text(json.dumps(RECIPE | changes), encoding="utf-8")
        losses = [[s, "first" if s <= 6 else "stage-2", s / 3, s, 1e-3, 5.0 / s] for s in (3, 6, 9)]
        head = ["step", "stage", "epoch", "seconds", "learning_rate", "loss", "nt_xent", "matching"]
        rows = [[*row, 4.0 / row[0], "nan" if row[0] < 7 else 0.5] for row in losses]  # type: ignore[operator]
        write_table(folder / "metrics.csv", head, rows)
        write_table(
            folder / "validation.csv",
            ["step", "stage", "R@1", "R@5", "R@10", "mAP@10", "medR", "loss"],
            [
                [3, "first", 0.2, 0.4, 0.6, 0.31, 3, "nan"],
                [6, "first", 0.1, 0.3, 0.5, 0.21, 4, "nan"],
                [8, "stage-2", 0.3, 0.5, 0.7, 0.41, 2, "nan"],
                [9, "stage-2", 0.2, 0.4, 0.6, 0.32, 3, "nan"],
            ],
        )
        found.save(folder / "similarities" / "test")
        scores = {"recipe": "test/hand", "seed": 7, **measured(found), "published": None}
        (folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
        return folder

    return made


CAPTIONED: Document = {
    "aeroplane": ("a plane flies <past>", ["a plane flies past", "an aeroplane passes"]),
    "b&b": ("a dog barks", ["a dog barks loudly", "someone barks | like a dog"]),
    "cat": ("a dog barks", ["a cat meows", "the sound of a cat"]),
    "door": ("a door slams shut", ["a door slams shut", "somebody shuts a door"]),
    "egg": ("", ["an egg breaks", "eggs are broken in a pan"]),
}


@pytest.fixture
def captioning_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return captioning_run(**changes of its recipe) → the folder of a run of five test clips: the
    caption of `door` is right, that of `egg` is empty, the second validation is the best. Without
    Java, which takes seconds."""
    monkeypatch.setattr("soundseek.metrics.captions.evaluation.find_java", lambda: None)

    def made(**changes: Any) -> Path:
        folder, data = tmp_path / "captioning", tmp_path / "data"
        folder.mkdir(exist_ok=True)
        data.mkdir(exist_ok=True)
        recipe = {
            "system": "captioning",
            "name": "test/captions <made>",
            "description": "by hand",
            "seed": 5,
            "published": {
                "source": "a paper",
                "on": "clotho/evaluation",
                "epochs": 3,
                "scores": {"bleu_1": 0.5, "spider": 0.2},
            },
            "data": {"test": [{"corpus": "clips", "root": str(data), "split": "test"}]},
            "optimiser": {"select": "best", "epochs": 20},
        }
        (folder / "recipe.json").write_text(json.dumps(recipe | changes), encoding="utf-8")
        write_table(
            folder / "metrics.csv",
            ["step", "stage", "epoch", "seconds", "learning_rate", "loss", "cross_entropy"],
            [[s, "train", s / 3, s, 1e-3, 5.0 / s, 5.0 / s] for s in (3, 6, 9)],
        )
        write_table(
            folder / "validation.csv",
            ["step", "stage", "loss", "perplexity"],
            [[3, "train", 2.0, 7.389], [6, "train", 1.0, 2.718], [9, "train", 1.5, 4.482]],
        )
        write_table(
            folder / "captions.csv",
            ["id", "prediction", "reference_1", "reference_2"],
            [[clip, caption, *right] for clip, (caption, right) in CAPTIONED.items()],
        )
        rows = [
            {
                "id": clip,
                "file": f"{place} #{place}.wav",
                "duration_s": 0.5,
                "captions": right,
                "source": "s",
                "split": "test",
                "licence": "CC0",
                "group": clip,
                "caption_quality": 2,
            }
            for place, (clip, (_, right)) in enumerate(CAPTIONED.items())
        ]
        for row in rows:
            soundfile.write(data / row["file"], np.zeros(4000, np.float32), 8000)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (data / "clips.jsonl").write_text(lines, encoding="utf-8")
        return folder

    return made


@pytest.fixture
def captioning_scores(captioning_run: Callable[..., Path]) -> Callable[..., Path]:
    """As `captioning_run`, with a scores.json in which nothing is as it would be computed."""

    def made(**changes: Any) -> Path:
        folder = captioning_run(**changes)
        scores = {
            "seed": 5, "clips": 5, "n": 5,
            "metrics": {
                "bleu_1": {"value": 0.123, "ci95": [0.1, 0.2]},
                "cider": {"value": 0.456, "ci95": [0.4, 0.5]},
                "vocabulary": {"value": 1234.0, "ci95": None},
            },
            "missing": {"meteor": "needs Java", "spice": "no parser", "spider": "no parser"},
        }  # fmt: skip
        (folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
        return folder

    return made
