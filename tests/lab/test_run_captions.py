from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.run_captions import caption_figures, read_run_captions
from soundseek.metrics.captions import CaptionEvaluation, CaptionMetric

pytestmark = pytest.mark.lab


def test_captions_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert read_run_captions(tmp_path) is None
    (tmp_path / "captions.csv").write_text(
        'id,prediction,reference_1,reference_2\nb,,"one, two",\na,said,x,y\n', encoding="utf-8"
    )
    found = read_run_captions(tmp_path)
    assert found is not None
    assert list(found.predictions.items()) == [("b", ""), ("a", "said")]
    assert found.references == {"b": ["one, two"], "a": ["x", "y"]}


@pytest.mark.parametrize(
    "text", ["", "id,prediction\na,b\n", "id,reference_1\na,b\n", "id,prediction,reference_1\na\n"]
)
def test_damaged_files_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "captions.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"captions\.csv is damaged") as caught:
        read_run_captions(tmp_path)
    assert "soundseek train" in str(caught.value)


def test_figures_are_ready_for_json() -> None:
    metrics = {
        "bleu_1": CaptionMetric(0.5, (0.25, 0.75), {"a": 0.5}),
        "vocabulary": CaptionMetric(3.0, None, None),
    }
    found = CaptionEvaluation(2, metrics, {"spice": "no parser"}, "python", ())
    assert caption_figures(found) == {
        "clips": 2,
        "n": 2,
        "metrics": {
            "bleu_1": {"value": 0.5, "ci95": [0.25, 0.75]},
            "vocabulary": {"value": 3.0, "ci95": None},
        },
        "missing": {"spice": "no parser"},
    }
