from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.lab.evaluate import plain
from soundseek.lab.retrieval import train
from soundseek.lab.retrieval.evaluation import run_similarities
from soundseek.lab.retrieval.recipe import Published
from soundseek.lab.retrieval.report import write_scores
from soundseek.lab.retrieval.scores import write_predictions
from soundseek.lab.similarities import Similarities, similarities
from soundseek.metrics.retrieval import Metric
from support.retrieval import Document, rows

pytestmark = pytest.mark.lab

MakeClip = Callable[..., Any]


@pytest.fixture
def found(make_clip: MakeClip) -> Similarities:
    """Twelve clips of one caption, the last two of one group; each finds itself."""
    clips = [
        make_clip(
            f"id{i:02}",
            [f"caption {i:02}, with a comma"],
            path=f"/corpus/{i % 3}/s{i}.wav",
            group=f"g{min(i, 10):02}",
        )
        for i in range(12)
    ]
    texts = sorted(clip.captions[0] for clip in clips)
    vectors = np.eye(12, dtype=np.float32)
    return similarities(clips, vectors, texts, vectors)


def test_every_caption_asks_for_the_clips_of_its_group(found: Similarities) -> None:
    assert found.queries == [f"caption {i:02}, with a comma" for i in range(12)]
    assert np.array_equal(found.scores, np.eye(12))
    relevant = np.eye(12, dtype=bool)
    relevant[10:, 10:] = True
    assert np.array_equal(found.relevant, relevant)


def test_texts_that_two_clips_share_are_asked_for_each(make_clip: MakeClip) -> None:
    """Sixteen texts of Clotho's development set belong to two clips."""
    clips = [make_clip("a", ["rain", "wind"]), make_clip("b", ["rain"])]
    audio = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    text = np.array([[0.8, 0.6], [1.0, 0.0]], np.float32)
    found = similarities(clips, audio, ["rain", "wind"], text)
    assert found.queries == ["rain", "wind", "rain"]
    assert found.relevant.tolist() == [[True, False], [True, False], [False, True]]
    np.testing.assert_allclose(found.scores, [[0.8, 0.6], [1.0, 0.0], [0.8, 0.6]])
    assert found.metrics()["R@1"].value == pytest.approx(2 / 3)


def test_predictions_are_written_as_the_challenges_of_2022_to_2024_ask(
    found: Similarities, tmp_path: Path
) -> None:
    scores = found.scores + np.linspace(0.5, 0.0, 12, dtype=np.float32)
    found = Similarities(found.queries, found.clips, scores.astype(np.float32), found.relevant)
    write_predictions(found, tmp_path / "predictions.csv")
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        header, *lines = list(csv.reader(file))
    assert header == ["caption", *(f"file_name_{i}" for i in range(1, 11))]
    assert len(lines) == 12
    for number, (query, *names) in enumerate(lines):
        assert query == f"caption {number:02}, with a comma"
        others = [i for i in range(12) if i != number]
        assert names == [f"s{i}.wav" for i in [number, *others][:10]]


def test_fewer_clips_than_places(make_clip: MakeClip, tmp_path: Path) -> None:
    clips = [make_clip("a", ["rain"]), make_clip("b", ["wind"])]
    found = similarities(
        clips, np.eye(2, dtype=np.float32), ["rain", "wind"], np.eye(2, dtype="f4")
    )
    write_predictions(found, tmp_path / "p.csv")
    assert rows(tmp_path / "p.csv") == [
        {"caption": "rain", "file_name_1": "a.wav", "file_name_2": "b.wav"},
        {"caption": "wind", "file_name_1": "b.wav", "file_name_2": "a.wav"},
    ]


def test_scores_stand_beside_what_was_published(
    found: Similarities, document: Document, recipe_of: Callable[..., Any], tmp_path: Path
) -> None:
    published = Published(source="A report", scores={"R@1": 0.5, "mAP@10": 0.25})
    said: list[str] = []
    write_scores(tmp_path, recipe_of(document), published, found, said.append)
    told = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert told["published"] == {
        "source": "A report",
        "on": "clotho/evaluation",
        "scores": {"R@1": 0.5, "mAP@10": 0.25},
    }
    metrics = found.metrics()
    assert (
        set(told["metrics"]) == set(metrics) >= {"R@1", "R@5", "R@10", "mAP@10", "mAP@16", "medR"}
    )
    for name, metric in metrics.items():
        assert told["metrics"][name]["value"] == round(metric.value, 5)
    assert (told["recipe"], told["seed"], told["clips"], told["n"]) == ("test/tiny", 3, 12, 12)
    assert said[0].startswith("test (12 clips, 12 queries)  R@1 ")
    assert len(rows(tmp_path / "predictions.csv")) == 12


def test_figures_without_an_interval() -> None:
    told = plain({"medR": Metric(2.0, None), "R@1": Metric(1 / 3, (0.1, 0.7))})
    assert told == {
        "medR": {"value": 2.0, "ci95": None},
        "R@1": {"value": 0.33333, "ci95": [0.1, 0.7]},
    }


def test_a_run_can_be_scored_again_and_on_other_clips(
    document: Document, recipe_of: Callable[..., Any], tmp_path: Path
) -> None:
    from soundseek.errors import DataError
    from soundseek.lab.retrieval.recipe import Source

    recipe = recipe_of(document, optimiser={"max_steps": 2})
    train.train(recipe, tmp_path / "run", lambda _: None)
    told = json.loads((tmp_path / "run" / "scores.json").read_text(encoding="utf-8"))
    again = run_similarities(tmp_path / "run", lambda _: None)
    assert plain(again.metrics()) == {
        name: {"value": one["value"], "ci95": one["ci95"]} for name, one in told["metrics"].items()
    }
    (source,) = document["data"]["validation"]
    other = run_similarities(tmp_path / "run", lambda _: None, [Source(**source)])
    assert {clip.split for clip in other.clips} == {"validation"}
    with pytest.raises(DataError, match=r"no test set\n.*data.test"):
        run_similarities(tmp_path / "run", lambda _: None, [])
