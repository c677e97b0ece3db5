from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.bundle.load import load_bundle
from soundseek.errors import BundleError, DataError
from soundseek.lab.data.manifest import read_clips_jsonl
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.distilled.train import train
from soundseek.lab.systems import export
from soundseek.lab.words.trained import load_words

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.usefixtures("fake_teachers")]


def test_a_run_becomes_a_bundle_with_its_scores(
    recipe_document: dict[str, Any],
    corpus: Path,
    unlabelled: Path,
    words_run: Path,
    tmp_path: Path,
) -> None:
    document = recipe_document | {
        "data": recipe_document["data"] | {"unlabelled": [str(unlabelled)]}
    }
    train(Recipe.model_validate(document), tmp_path / "run", lambda _: None)
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
    sources = [(one.name, one.licence, one.clips) for one in manifest.provenance.data]
    assert sources == [("made", "CC0", 3), ("synth", "CC0", 6)]
    card = (written / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "6 clips with captions" in card
    assert "3 clips, 0.0 hours" in card
    clip = read_clips_jsonl(corpus / "clips.jsonl")[0]
    text = bundle.encode_text("rain")
    vectors = np.concatenate([text, bundle.encode_audio(clip.path)])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    # Weights are rounded to halves: hence a hundredth.
    np.testing.assert_allclose(text, load_words(words_run).encode(["rain"]), rtol=0, atol=0.01)


def test_an_export_needs_the_text_towers_run(
    recipe_document: dict[str, Any], tmp_path: Path
) -> None:
    nowhere = tmp_path / "no-words"
    document = recipe_document | {"words": str(nowhere)}
    train(Recipe.model_validate(document), tmp_path / "run", lambda _: None)
    with pytest.raises(DataError, match=r"no run in .*no-words") as caught:
        export(tmp_path / "run", tmp_path / "bundle", name="tiny")
    assert caught.value.remedy is not None
    assert f"soundseek train soundseek/words --out {nowhere}" in caught.value.remedy
    assert not (tmp_path / "bundle").exists()
    document = recipe_document | {"words": str(tmp_path / "run")}
    train(Recipe.model_validate(document), tmp_path / "other", lambda _: None)
    with pytest.raises(DataError, match=r"system distilled, not of words\n.*soundseek/words"):
        export(tmp_path / "other", tmp_path / "bundle", name="tiny")


def test_windows_are_those_of_the_recipe(tmp_path: Path) -> None:
    from soundseek.lab.distilled.export import export_run

    with pytest.raises(BundleError, match=r"windows of 5 s.*\n.*--window"):
        export_run(tmp_path, tmp_path / "bundle", name="tiny", window_s=5.0)
