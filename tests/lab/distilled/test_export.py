from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.bundle.load import load_bundle
from soundseek.lab.data.manifest import read_clips_jsonl
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.distilled.train import train
from soundseek.lab.systems import export

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.usefixtures("fake_teachers")]


def test_a_run_becomes_a_bundle_with_its_scores(
    recipe_document: dict[str, Any], corpus: Path, tmp_path: Path
) -> None:
    train(Recipe.model_validate(recipe_document), tmp_path / "run", lambda _: None)
    said: list[str] = []
    written = export(tmp_path / "run", tmp_path / "bundle", name="tiny", say=said.append)
    assert said == ["exporting the networks", "scoring through the runtime", f"wrote {written}"]
    bundle = load_bundle(written)
    manifest = bundle.manifest
    assert manifest.similarity.calibration is not None
    assert manifest.similarity.scale > 0
    (scores,) = manifest.provenance.scores.values()
    assert isinstance(scores, dict)
    assert (scores["clips"], scores["queries"]) == (6, 12)
    (source,) = manifest.provenance.data
    assert (source.name, source.licence, source.clips) == ("synth", "CC0", 6)
    clip = read_clips_jsonl(corpus / "clips.jsonl")[0]
    vectors = np.concatenate([bundle.encode_text("rain"), bundle.encode_audio(clip.path)])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
