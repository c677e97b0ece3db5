from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch.nn import functional as F

from soundseek.audio.frontends import PRESETS
from soundseek.bundle.load import load_bundle
from soundseek.bundle.runtime import Bundle
from soundseek.errors import BundleError
from soundseek.lab.data.manifest import read_clips_jsonl, select
from soundseek.lab.data.waveforms import open_store
from soundseek.lab.retrieval.build import build_model
from soundseek.lab.retrieval.embedding import embed_clips, embed_texts
from soundseek.lab.retrieval.export import (
    export_run,
    plain_front_end,
    similarity_scale,
    window_samples,
)
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.retrieval.train import train
from soundseek.lab.retrieval.trained import Trained, load_trained
from soundseek.lab.systems import export
from soundseek.library.library import Library
from support.command_line import live_in, succeeded

pytestmark = pytest.mark.lab

Document = dict[str, Any]
RecipeOf = Callable[..., RetrievalRecipe]

# No padding by reflection: what follows a sound's end is silence in training as in the runtime.
CRNN: Document = {
    "encoder": "dcase2022_crnn",
    "options": {"channels": (4, 8), "hidden": 8, "frontend": "dcase2022_16k"},
    "projection": [8],
}


def silent(_: str) -> None:
    """Say nothing."""


def lab_vectors(run: Path, texts: list[str], synthetic: Path) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of texts and of the test clips, as evaluation makes them."""
    trained = load_trained(run)
    clips = select(read_clips_jsonl(synthetic / "clips.jsonl"), split="test")
    rate = trained.model.audio.audio_encoder.sample_rate
    store = open_store(clips, rate, run / "cache")
    audio = embed_clips(trained.model, store, max_s=trained.recipe.audio.max_s)
    text = embed_texts(trained.model, texts)
    unit = [F.normalize(torch.from_numpy(vectors), dim=-1).numpy() for vectors in (text, audio)]
    return unit[0], unit[1]


def sounds(bundle: Bundle, synthetic: Path) -> np.ndarray:
    clips = select(read_clips_jsonl(synthetic / "clips.jsonl"), split="test")
    return bundle.encode_audio([clip.path for clip in clips])


@pytest.mark.slow
def test_a_run_becomes_a_bundle_that_indexes_and_searches(
    document: Document,
    recipe_of: RecipeOf,
    synthetic: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, folder = tmp_path / "run", tmp_path / "bundle"
    words = {"encoder": "word_vectors", "options": {"dimension": 16, "case": "lower"}}
    terms = [{"term": "triplet_sum"}, {"term": "nt_xent", "options": {"learnt": True}}]
    del document["text"], document["audio"]["options"]
    text = {**words, "weights": "random", "max_tokens": 12}
    recipe = recipe_of(document, audio={**CRNN, "max_s": 2.0}, text=text, objective=terms)
    train(recipe, run, silent)
    live_in(tmp_path, folder, monkeypatch)
    said = succeeded("export", run, "--name", "tiny-crnn", "--out", folder)
    assert said.splitlines()[-1] == str(folder)

    bundle = load_bundle(folder)
    assert bundle.window_s == bundle.hop_s == 2.0
    log_scale = load_trained(run).objective["terms.nt_xent.log_scale"]
    assert bundle.manifest.similarity.scale == pytest.approx(float(log_scale.exp()), abs=1e-4)
    assert bundle.manifest.similarity.calibration is not None

    texts = ["the sound of rain", "Someone recorded a dog here!"]
    expected_texts, expected_sounds = lab_vectors(run, texts, synthetic)
    np.testing.assert_allclose(bundle.encode_text(texts), expected_texts, atol=1e-4)
    # Evaluation reads 16-bit copies.
    np.testing.assert_allclose(sounds(bundle, synthetic), expected_sounds, atol=2e-3)

    scores = bundle.manifest.provenance.scores
    of_run = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    assert isinstance(scores["test"], dict)
    for name, figure in of_run["metrics"].items():
        assert scores["test"]["metrics"][name]["value"] == pytest.approx(figure["value"], abs=0.02)
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| synthetic | 10 | CC0 |" in card
    assert bundle.manifest.provenance.data[0].clips == 10

    with Library.open(tmp_path / "library", bundle=folder, create=True) as library:
        report = library.index([synthetic / "audio"])
        assert report.added == 20
        assert len(library.search("the sound of rain", k=3)) == 3


@pytest.mark.slow
def test_windows_of_the_recipe_and_vectors_of_any_length(
    document: Document, recipe_of: RecipeOf, synthetic: Path, tmp_path: Path
) -> None:
    document["data"]["test"] = ()
    recipe = recipe_of(
        document,
        audio={"window_s": 0.4},
        space={"normalise": False},
        objective=[{"term": "nt_xent", "options": {"temperature": 0.1}}],
    )
    train(recipe, tmp_path / "run", silent)
    said: list[str] = []
    written = export_run(tmp_path / "run", tmp_path / "bundle", name="tiny", say=said.append)
    assert any("of length 1" in line for line in said)
    assert any("no test set" in line for line in said)
    bundle = load_bundle(written)
    assert bundle.manifest.audio.window_samples == 6400
    assert bundle.manifest.similarity.scale == 10.0
    assert set(bundle.manifest.provenance.scores) == {"validation"}
    assert "brought to\nlength 1" in (written / "MODEL_CARD.md").read_text(encoding="utf-8")

    texts = ["the sound of rain", "Rain & wind!"]
    expected, _ = lab_vectors(tmp_path / "run", texts, synthetic)
    np.testing.assert_allclose(bundle.encode_text(texts), expected, atol=1e-4)
    # One whole window, so that nothing is reflected.
    rate = bundle.sample_rate
    sound = np.random.default_rng(1).uniform(-0.5, 0.5, 6400).astype(np.float32)
    model = load_trained(tmp_path / "run").model
    with torch.no_grad():
        heard = model.embed_audio(torch.from_numpy(sound)[None], torch.tensor([6400])).embedding
    np.testing.assert_allclose(
        bundle.encode_audio(sound, rate), F.normalize(heard, dim=-1), atol=1e-4
    )


def test_what_a_bundle_cannot_hold_is_refused(document: Document, recipe_of: RecipeOf) -> None:
    texts = ["rain on a roof"] * 3
    sizes = {"channels": (2, 4, 4, 8), "classes": 4, "frontend": "panns_16k"}
    events = {"tagger": "panns_cnn10", "weights": "random", "options": sizes}
    recipe = recipe_of(document, audio={"events": events})
    with pytest.raises(BundleError, match="panns_cnn10 of its sound-event vectors"):
        plain_front_end(recipe, build_model(recipe, texts))
    del document["audio"]["options"]
    options = {
        "channels": (4, 8),
        "hidden": 8,
        "vggish_weights": "random",
        "vggish_options": {"channels": (2, 4, 4, 8), "hidden": 16, "width": 64},
    }
    recipe = recipe_of(document, audio={"encoder": "vggish_crnn", "options": options})
    with pytest.raises(BundleError, match="vggish_crnn has no plain front-end"):
        plain_front_end(recipe, build_model(recipe, texts))


def test_windows(document: Document, recipe_of: RecipeOf) -> None:
    def window(asked_s: float | None = None, **audio: Any) -> int:
        recipe = recipe_of(document, audio=audio)
        model = build_model(recipe, ["rain on a roof"] * 3)
        return window_samples(recipe, model, PRESETS["panns_16k"], asked_s)

    assert window() == 19_200, "clips of 1.2 s are the longest"
    assert window(max_s=30.0) == 160_000
    assert window(2.5, max_s=30.0) == 40_000
    assert window(window_s=0.5) == 8000
    with pytest.raises(BundleError, match=r"windows of 2 s, where the recipe sets 0.5 s"):
        window(2.0, window_s=0.5)
    with pytest.raises(BundleError, match=r"too short: panns_cnn10 takes 0.1\d s or more"):
        window(0.01)


@pytest.mark.parametrize(
    ("terms", "scale"),
    [
        ([{"term": "nt_xent", "options": {"temperature": 0.05}}], 20.0),
        ([{"term": "triplet_sum"}], 1.0),
    ],
)
def test_the_scale_is_that_of_training(
    terms: list[Document], scale: float, document: Document, recipe_of: RecipeOf
) -> None:
    recipe = recipe_of(document, objective=terms)
    model = build_model(recipe, ["rain on a roof"] * 3)
    assert similarity_scale(Trained(recipe, model, {})) == pytest.approx(scale)


def test_a_learnt_scale_is_the_last_one(document: Document, recipe_of: RecipeOf) -> None:
    terms = [{"term": "nt_xent", "options": {"temperature": 0.05, "learnt": True}}]
    recipe = recipe_of(document, objective=terms)
    model = build_model(recipe, ["rain on a roof"] * 3)
    learnt = {"terms.nt_xent.log_scale": torch.tensor(3.5)}
    assert similarity_scale(Trained(recipe, model, learnt)) == pytest.approx(np.exp(3.5))


@pytest.mark.parametrize(
    ("system", "why", "instead"),
    [
        ("ensemble", "is an ensemble", "one of its members"),
        ("caption_match", "no network that hears sound", "an audio encoder"),
    ],
)
def test_systems_without_networks_of_their_own_say_what_to_do(
    system: str, why: str, instead: str, tmp_path: Path
) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps({"system": system}), encoding="utf-8")
    with pytest.raises(BundleError, match=why) as caught:
        export(tmp_path, tmp_path / "bundle", name="x", say=silent)
    assert caught.value.remedy is not None
    assert instead in caught.value.remedy


def test_the_embedded_model_has_windows_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match="set by its recipe"):
        export(tmp_path, tmp_path / "bundle", name="x", say=silent, window_s=2.0)
