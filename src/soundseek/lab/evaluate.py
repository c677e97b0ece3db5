"""Scores of a model on clips with captions: text → audio retrieval, and zero-shot classes.

Every caption is a query; all clips of its group are relevant, so that a clip with the same text is
never counted as a mistake. Evaluation is deterministic: whole clips, window by window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import DataError
from soundseek.lab.data.manifest import Clip
from soundseek.metrics.intervals import jackknife_interval
from soundseek.metrics.retrieval import Metric, retrieval_metrics

_Floats = NDArray[np.float32]


def queries_of(clips: Sequence[Clip]) -> tuple[list[str], NDArray[np.bool_]]:
    """Every (caption, group) pair once, and which clips answer it: bool `[queries, clips]`."""
    pairs = sorted({(clip.group, caption) for clip in clips for caption in clip.captions})
    groups = np.array([clip.group for clip in clips])
    asked = np.array([group for group, _ in pairs])
    return [caption for _, caption in pairs], asked[:, None] == groups[None, :]


def retrieval_scores(
    clips: Sequence[Clip], audio: _Floats, encode_text: Callable[[list[str]], _Floats]
) -> tuple[int, dict[str, Metric]]:
    """Number of queries, and text → audio metrics; `audio` `[clips, dimension]`."""
    captions, relevant = queries_of(clips)
    if not captions:
        raise DataError(f"none of {len(clips)} clips has a caption")
    scores = encode_text(captions) @ audio.T
    return len(captions), retrieval_metrics(scores, relevant)


def zero_shot(
    clips: Sequence[Clip],
    audio: _Floats,
    encode_text: Callable[[list[str]], _Floats],
    same_class: Mapping[str, str] | None = None,
) -> Metric:
    """Accuracy of naming the class: the class name with the highest similarity wins.

    `same_class` name → name of its class: any name of a clip's class is right. Raises `DataError`
    if a clip has no label.
    """
    correct = named_rightly(clips, audio, encode_text, same_class)
    return Metric(float(correct.mean()), jackknife_interval(correct.astype(np.float64)))


def named_rightly(
    clips: Sequence[Clip],
    audio: _Floats,
    encode_text: Callable[[list[str]], _Floats],
    same_class: Mapping[str, str] | None = None,
) -> NDArray[np.bool_]:
    """Whether `zero_shot` names each clip's class, `[clips]`."""
    labels = [class_name(clip.label) for clip in clips if clip.label is not None]
    if len(labels) != len(clips):
        raise DataError(f"{len(clips) - len(labels)} of {len(clips)} clips have no class label")
    names = sorted(set(labels))
    chosen = (audio @ encode_text(names).T).argmax(axis=1)
    of = same_class or {}
    return np.array(
        [
            of.get(names[i], names[i]) == of.get(label, label)
            for i, label in zip(chosen, labels, strict=True)
        ]
    )


def class_name(label: str) -> str:
    """A class label as a person would say it: "dog_bark" is "dog bark"."""
    return " ".join(label.replace("_", " ").split())


def plain(metrics: dict[str, Metric]) -> dict[str, Any]:
    """Figures as JSON holds them."""
    return {
        name: {
            "value": round(metric.value, 5),
            "ci95": None if metric.ci95 is None else [round(bound, 5) for bound in metric.ci95],
        }
        for name, metric in metrics.items()
    }
