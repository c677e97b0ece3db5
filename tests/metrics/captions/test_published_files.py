"""The scores that the COCO tools gave 1,045 real captions.

SOUNDSEEK_REFERENCE names a folder with captioning/: captions of CMU's system on Clotho evaluation,
and their scores.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from soundseek.metrics.captions import evaluate_captions, read_captions, read_scores


@pytest.mark.slow
@pytest.mark.parametrize("meteor", [True, False])
def test_real_captions(meteor: bool, request: pytest.FixtureRequest) -> None:
    if "SOUNDSEEK_REFERENCE" not in os.environ:
        pytest.skip("SOUNDSEEK_REFERENCE is not set: no published files to read")
    # With METEOR by Java, without it on a machine that has none.
    request.getfixturevalue("java" if meteor else "no_java")
    folder = Path(os.environ["SOUNDSEEK_REFERENCE"], "captioning")
    table = read_captions(folder / "cmu2022_generated_captions.csv")
    scores = folder / "cmu2022_scores.json"
    assert table.predictions is not None
    assert table.references is not None
    found = evaluate_captions(
        table.predictions, table.references, spice=read_scores(scores, "spice"), meteor=meteor
    )
    assert found.tokeniser == ("java" if meteor else "python")
    recorded = json.loads(scores.read_text(encoding="utf-8"))
    if not meteor:
        del recorded["meteor"]
    for name, expected in recorded.items():
        # SPICE is given with six decimals; the figure of the set was of all digits.
        loose = name in ("spice", "spider")
        metric = found.metrics[name]
        assert metric.value == pytest.approx(expected["corpus"], abs=1e-8 if loose else 1e-12)
        assert metric.per_clip == pytest.approx(expected["per_clip"], abs=8e-7, rel=0)
