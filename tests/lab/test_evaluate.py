from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.data.manifest import Clip
from soundseek.lab.evaluate import named_rightly, queries_of, retrieval_scores, zero_shot

pytestmark = pytest.mark.lab


def clip(name: str, group: str, *captions: str, label: str | None = None) -> Clip:
    return Clip(
        id=name,
        path=name,
        duration_s=1.0,
        captions=captions,
        source="made",
        split="test",
        licence="CC0",
        group=group,
        label=label,
    )


def encoder(table: dict[str, list[float]]) -> Callable[[list[str]], np.ndarray]:
    return lambda texts: np.array([table[text] for text in texts], np.float32)


def test_every_caption_asks_once_and_all_clips_of_its_group_answer() -> None:
    clips = [
        clip("a", "g1", "rain", "drops"),
        clip("b", "g2", "rain"),
        clip("c", "g1", "rain", "drops"),
        clip("d", "g3"),
    ]
    captions, relevant = queries_of(clips)
    assert list(zip(captions, relevant.tolist(), strict=True)) == [
        ("drops", [True, False, True, False]),
        ("rain", [True, False, True, False]),
        ("rain", [False, True, False, False]),
    ]


def test_retrieval_scores_by_hand() -> None:
    clips = [clip("a", "g1", "x"), clip("b", "g2", "y"), clip("c", "g3", "z")]
    audio = np.eye(3, dtype=np.float32)
    texts = encoder({"x": [3, 2, 1], "y": [3, 2, 1], "z": [3, 2, 1]})
    n, metrics = retrieval_scores(clips, audio, texts)
    assert n == 3
    assert metrics["R@1"].value == pytest.approx(1 / 3)
    assert metrics["R@5"].value == 1.0
    assert metrics["mAP@10"].value == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert metrics["medR"].value == 2.0


def test_a_clip_of_the_same_group_is_no_mistake() -> None:
    clips = [clip("a", "g", "x"), clip("b", "g", "x"), clip("c", "h", "y")]
    audio = np.array([[0, 1], [1, 0], [0.5, 0.5]], np.float32)
    _, metrics = retrieval_scores(clips, audio, encoder({"x": [1.0, 0.0], "y": [0.5, 0.5]}))
    assert metrics["R@1"].value == pytest.approx(0.5)


def test_clips_without_any_caption_cannot_be_scored() -> None:
    with pytest.raises(DataError, match="none of 2 clips has a caption"):
        retrieval_scores([clip("a", "g"), clip("b", "h")], np.eye(2), encoder({}))


def test_zero_shot_by_hand() -> None:
    labels = ["dog", "cat", "dog", "cat"]
    clips = [clip(str(i), "g", label=label) for i, label in enumerate(labels)]
    audio = np.array([[1, 0], [0, 1], [0.4, 0.6], [0.2, 0.8]], np.float32)
    metric = zero_shot(clips, audio, encoder({"dog": [1, 0], "cat": [0, 1]}))
    assert metric.value == 0.75
    assert metric.ci95 is not None
    assert metric.ci95[0] < 0.75 < metric.ci95[1]


def test_zero_shot_needs_a_label_of_every_clip() -> None:
    clips = [clip("a", "g", label="dog"), clip("b", "g")]
    with pytest.raises(DataError, match="1 of 2 clips have no class label"):
        zero_shot(clips, np.eye(2, dtype=np.float32), encoder({"dog": [1, 0]}))


def test_any_name_of_a_class_is_right_and_underscores_are_spaces() -> None:
    labels = ["dog_bark", "dog", "sea_waves"]
    clips = [clip(str(i), "g", label=label) for i, label in enumerate(labels)]
    texts = encoder({"dog": [1, 0, 0], "dog bark": [0, 1, 0], "sea waves": [0, 0, 1]})
    audio = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 1]], np.float32)
    assert named_rightly(clips, audio, texts).tolist() == [False, False, True]
    merged = {"dog": "dog bark"}
    assert named_rightly(clips, audio, texts, merged).tolist() == [True, False, True]
    assert zero_shot(clips, audio, texts, merged).value == pytest.approx(2 / 3)
