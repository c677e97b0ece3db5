from __future__ import annotations

import pytest

from soundseek.metrics.captions import evaluate_captions
from soundseek.metrics.captions.names import CAPTION_METRIC_NAMES, printed_name


def test_every_metric_has_a_name_in_print() -> None:
    pytest.importorskip("pycocoevalcap")
    found = evaluate_captions({"a": "x", "b": "y"}, {"a": ["x"], "b": ["z"]}, meteor=False)
    assert {*found.metrics, *found.missing} == set(CAPTION_METRIC_NAMES)


def test_names() -> None:
    assert [printed_name(name) for name in ("bleu_4", "rouge_l", "spider_fl")] == [
        "BLEU-4",
        "ROUGE-L",
        "SPIDEr-FL",
    ]
    assert printed_name("another") == "another"
