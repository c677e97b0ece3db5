from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundseek.errors import DataError, SoundseekError
from soundseek.metrics import jackknife_interval
from soundseek.metrics.captions import CaptionEvaluation, evaluate_captions
from support.captions import PREDICTIONS, REFERENCES, program

COCO: dict[str, Any] = json.loads(
    Path(__file__).with_name("coco_scores.json").read_text(encoding="utf-8")
)
BLEU = [f"bleu_{k}" for k in range(1, 5)]
SPICE = {clip: i / 12 for i, clip in enumerate(PREDICTIONS)}


def evaluated(**options: Any) -> CaptionEvaluation:
    options = {"meteor": False, **options}
    predictions = options.pop("predictions", PREDICTIONS)
    return evaluate_captions(predictions, options.pop("references", REFERENCES), **options)


def equals_coco(found: CaptionEvaluation, names: list[str]) -> None:
    for name in names:
        metric = found.metrics[name]
        assert metric.value == pytest.approx(COCO[name]["corpus"], abs=1e-12), name
        assert metric.per_clip == pytest.approx(COCO[name]["per_clip"], abs=1e-12), name
        assert metric.ci95 is not None
        assert metric.ci95[0] < metric.value < metric.ci95[1]


@pytest.mark.slow
@pytest.mark.usefixtures("java")
def test_the_numbers_of_the_coco_tools() -> None:
    found = evaluated(meteor=None)
    assert found.tokeniser == "java"
    equals_coco(found, [*BLEU, "meteor", "rouge_l", "cider"])
    assert (found.n, found.empty, found.notes) == (12, (), ())
    assert set(found.missing) == {"spice", "spider", "spider_fl", "fense"}


@pytest.mark.usefixtures("no_java")
def test_without_java_all_but_meteor_are_the_same() -> None:
    found = evaluated(meteor=None)
    assert found.tokeniser == "python"
    equals_coco(found, [*BLEU, "rouge_l", "cider"])
    assert "install Java" in found.missing["meteor"]
    with pytest.raises(SoundseekError, match="METEOR needs Java"):
        evaluated(meteor=True)


@pytest.mark.parametrize("body", ["sys.exit(1)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_broken_java_costs_meteor_alone(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin" / "java", body)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    found = evaluated(meteor=None)
    equals_coco(found, [*BLEU, "rouge_l", "cider"])
    assert found.missing["meteor"].startswith("Java ")
    assert "install Java" in found.missing["meteor"]
    assert found.notes[0].startswith("captions were cut into words without Java: Java ")
    with pytest.raises(SoundseekError):
        evaluated(meteor=True)


@pytest.mark.usefixtures("no_java")
def test_intervals() -> None:
    one, again, other = evaluated(), evaluated(), evaluated(seed=2)
    assert one.metrics == again.metrics
    assert one.metrics["bleu_4"].ci95 != other.metrics["bleu_4"].ci95
    cider = one.metrics["cider"]
    assert cider.per_clip is not None
    assert cider.ci95 == jackknife_interval(list(cider.per_clip.values()))
    words = {word for clip in COCO["words"].values() for word in clip[0].split()}
    assert one.metrics["vocabulary"].value == len(words)
    assert one.metrics["vocabulary"].ci95 is one.metrics["vocabulary"].per_clip is None


@pytest.mark.usefixtures("no_java")
def test_what_is_given_joins_in() -> None:
    errors = {clip: 0.9 if i % 2 else 0.91 for i, clip in enumerate(PREDICTIONS)}
    alike = dict.fromkeys(PREDICTIONS, 0.5)
    found = evaluated(spice=SPICE, fluency_errors=errors, similarities=alike)
    values = {name: metric.per_clip for name, metric in found.metrics.items()}
    for i, clip in enumerate(PREDICTIONS):
        spider = (values["cider"][clip] + SPICE[clip]) / 2  # type: ignore[index]
        share = 1.0 if i % 2 else 0.1
        assert values["spider"][clip] == pytest.approx(spider)  # type: ignore[index]
        assert values["spider_fl"][clip] == pytest.approx(spider * share)  # type: ignore[index]
        assert values["fense"][clip] == pytest.approx(0.5 * share)  # type: ignore[index]
    assert set(found.missing) == {"meteor"}
    assert list(found.metrics)[-4:] == ["spider", "spider_fl", "fense", "vocabulary"]
    fluent = evaluated(fluency_errors=errors)
    assert "SPIDEr is missing" in fluent.missing["spider_fl"]
    assert "fense" in fluent.missing


@pytest.mark.slow
@pytest.mark.usefixtures("java")
def test_captions_without_a_word_score_0() -> None:
    said = {**PREDICTIONS, "sea": "", "frog": " … ! "}
    found = evaluated(predictions=said, meteor=True, spice=SPICE)
    assert found.empty == ("sea", "frog")
    for name, metric in found.metrics.items():
        assert np.isfinite(metric.value), name
        if metric.per_clip is not None:
            assert metric.per_clip["sea"] == metric.per_clip["frog"] == 0.0, name
            assert metric.value < evaluated(spice=SPICE).metrics.get(name, metric).value or (
                name == "meteor"
            )


@pytest.mark.usefixtures("no_java")
def test_nothing_but_empty_captions() -> None:
    found = evaluated(predictions=dict.fromkeys(PREDICTIONS, ""))
    assert {name: metric.value for name, metric in found.metrics.items()} == dict.fromkeys(
        [*BLEU, "rouge_l", "cider", "vocabulary"], 0.0
    )


@pytest.mark.usefixtures("no_java")
def test_a_reference_without_a_word_is_none() -> None:
    more = {clip: [*texts, "...", ""] for clip, texts in REFERENCES.items()}
    assert evaluated(references=more).metrics == evaluated().metrics
    with pytest.raises(DataError, match="'sea' has no reference that holds a word"):
        evaluated(references={**REFERENCES, "sea": ["!"]})
    with pytest.raises(DataError, match="'sea' has no reference"):
        evaluated(references={**REFERENCES, "sea": []})


@pytest.mark.usefixtures("no_java")
def test_a_single_clip() -> None:
    found = evaluate_captions(
        {"a": "a dog barks"}, {"a": ["a dog barks", "the dog"]}, meteor=False, spice={"a": 0.5}
    )
    assert found.metrics["bleu_1"].value == pytest.approx(1.0)
    assert all(metric.ci95 is None for metric in found.metrics.values())
    assert "with one clip every weight is 0" in found.missing["cider"]
    assert "cider is missing" in found.missing["spider"]


def test_ids_must_agree() -> None:
    short = {clip: text for clip, text in PREDICTIONS.items() if clip not in ("rain", "sea")}
    with pytest.raises(DataError, match="2 of 12 clips have no prediction: 'rain', 'sea'"):
        evaluated(predictions=short)
    with pytest.raises(DataError, match=r"1 predictions are of clips .* know: 'moon'"):
        evaluated(predictions={**PREDICTIONS, "moon": "silence"})
    with pytest.raises(DataError, match="no clip to score"):
        evaluate_captions({}, {})
    with pytest.raises(DataError, match="SPICE: 11 of 12 clips have no value"):
        evaluated(spice={"rain": 0.5})
    with pytest.raises(DataError, match="SPICE of clip 'rain' is nan"):
        evaluated(spice={**SPICE, "rain": float("nan")})
