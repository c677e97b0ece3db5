from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.ensembling.candidates import WEIGHTS, best_weight, first_places
from soundseek.lab.recipe_files import merged, validated
from soundseek.lab.retrieval import rerank, sequences
from soundseek.lab.retrieval.build import build_objective
from soundseek.lab.retrieval.evaluation import chosen_part, run_similarities
from soundseek.lab.retrieval.recipe import RetrievalRecipe, Source
from soundseek.lab.retrieval.rerank import heard_in, match_logits, matching_head, rerank_run
from soundseek.lab.retrieval.train import train
from soundseek.lab.retrieval.trained import keep, load_trained
from soundseek.lab.systems import load_recipe, small
from soundseek.lab.systems import train as train_any
from soundseek.lab.training.kept import KEPT
from support.lively_weights import enlivened
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab

BERT = {
    "encoder": "bert",
    "weights": "random",
    "max_tokens": 12,
    "lowercase": True,
    "options": {"width": 16, "layers": 1, "heads": 2, "intermediate": 16, "vocabulary": 200},
}
DIFFERENCE = {
    "objective": [{"term": "nt_xent"}, {"term": "matching"}, {"term": "masked_lm"}],
    "optimiser": {"max_steps": 4},
    "audio": {"window_s": 0.5},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, synthetic: Path, waveform_cache: Path) -> Path:
    """A run with a matching head, its sounds heard in windows. Few steps teach it nothing, so that
    weights under which it listens take the place of what it kept."""
    folder = tmp_path_factory.mktemp("matching") / "run"
    base = small_document(synthetic, waveform_cache)
    recipe = validated(RetrievalRecipe, merged(base | {"text": BERT}, DIFFERENCE), "test")
    train(recipe, folder, silent)
    trained = load_trained(folder)
    objective = build_objective(trained.recipe, trained.model)
    enlivened(trained.model, 1)
    enlivened(objective, 2)
    keep(folder / KEPT, trained.model, objective.state_dict(), {})
    return folder


def small_document(synthetic: Path, waveform_cache: Path) -> Document:
    def source(split: str) -> list[Document]:
        return [{"corpus": "clips", "root": str(synthetic), "split": split}]

    return {
        "system": "retrieval",
        "name": "test/matching",
        "description": "for tests",
        "data": {split: source(split) for split in ("train", "validation", "test")},
        "audio": {
            "encoder": "panns_cnn10",
            "weights": "random",
            "options": {"channels": (2, 4, 4, 8), "classes": None, "frontend": "panns_16k"},
            "max_s": 1.2,
        },
        "space": {"dimension": 8},
        "optimiser": {"kind": "adamw", "learning_rate": 0.003, "batch": 6, "epochs": 2},
        "run": {"cache": str(waveform_cache), "device": "cpu", "threads": 1},
    }


def naive(run: Path, part: str, places: Any) -> Any:
    """A pair at a time, each clip alone and each caption alone, nothing kept."""
    trained = load_trained(run)
    head = matching_head(trained, "run")
    prepared = chosen_part(trained, run, silent, part=part)
    found = run_similarities(run, silent, part=part)
    model = trained.model
    logits = np.zeros(places.shape, np.float32)
    with torch.no_grad():
        for query, row in enumerate(places):
            tokens = model.text.tokenise([found.queries[query]])
            for column, clip in enumerate(row):
                sound = torch.from_numpy(prepared.store.read(int(clip)))[None]
                sound = sound[:, : round(1.2 * prepared.store.sample_rate)]
                samples = torch.tensor([sound.shape[1]])
                encoding = model.audio.encode(*model.audio.features(sound, samples))
                logit = head.match_logits(tokens, encoding.sequence, encoding.mask)
                logits[query, column] = logit.item()
    return logits


@pytest.mark.parametrize("part", ["test", "validation"])
def test_it_is_the_naive_loop_over_pairs(run: Path, part: str, tmp_path: Path) -> None:
    found = run_similarities(run, silent, part=part)
    k = 3
    places = first_places(found.scores, k)
    expected = naive(run, part, places)
    assert expected.std(axis=1).min() > 0.01
    trained = load_trained(run)
    prepared = chosen_part(trained, run, silent, part=part)
    heard = heard_in(trained.model, prepared, tmp_path, 1.2)
    logits = match_logits(trained.model, matching_head(trained, "run"), found, places, heard)
    np.testing.assert_allclose(logits, expected, atol=2e-3)
    done = rerank_run(run, k, silent, part=part)
    assert (done.k, done.weight) == (k, 1.0)
    np.testing.assert_allclose(done.by_embeddings.scores, found.scores, atol=1e-6)
    for query, (row, values) in enumerate(zip(places, expected, strict=True)):
        scores = done.found.scores[query]
        assert set(np.argsort(-scores)[:k]) == set(row)
        # Logits that are far enough apart for float16 decide the order.
        for i in range(k):
            for j in range(k):
                if values[i] > values[j] + 5e-3:
                    assert scores[row[i]] > scores[row[j]]


def test_small_batches_change_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rerank_run(run, 4, silent).found.scores
    monkeypatch.setattr(rerank, "_PAIRS_AT_ONCE", 3)
    assert np.array_equal(np.argsort(-whole), np.argsort(-rerank_run(run, 4, silent).found.scores))


def test_the_weight_is_chosen_on_validation(run: Path) -> None:
    told: list[str] = []
    done = rerank_run(run, 3, told.append, weight=None)
    assert done.weight in WEIGHTS
    found = run_similarities(run, silent, part="validation")
    places = first_places(found.scores, 3)
    weight, value = best_weight(found, places, naive(run, "validation", places))
    line = next(line for line in told if line.startswith("weight of the matching head"))
    assert line.endswith(f"{weight:.1f} (mAP@10 {value:.4f} on validation)")
    assert done.weight == weight


def test_on_other_clips(run: Path, synthetic: Path) -> None:
    other = Source.model_validate({"corpus": "clips", "root": str(synthetic), "split": "train"})
    done = rerank_run(run, 5, silent, [other])
    assert len(done.found.clips) == 10
    assert not list(run.rglob("*.f16"))


def test_a_run_without_the_head(
    document: Document, recipe_of: Callable[..., Any], tmp_path: Path
) -> None:
    train(recipe_of(document, optimiser={"max_steps": 1}), tmp_path / "run", silent)
    with pytest.raises(DataError, match=r"no matching head.*nt_xent\n.*samsung2024/system6"):
        rerank_run(tmp_path / "run", 3, silent)


def test_sequences_are_those_of_each_clip_alone(run: Path, tmp_path: Path) -> None:
    trained = load_trained(run)
    prepared = chosen_part(trained, run, silent)
    heard = heard_in(trained.model, prepared, tmp_path, 1.2)
    assert isinstance(heard.steps, np.memmap)
    model = trained.model
    for clip in range(len(prepared.clips)):
        sound = torch.from_numpy(prepared.store.read(clip, 0, 19_200))[None]
        with torch.no_grad():
            encoding = model.audio.encode(
                *model.audio.features(sound, torch.tensor([sound.shape[1]]))
            )
        expected = encoding.sequence[encoding.mask]
        got, mask = heard.batch([clip])
        assert bool(mask.all())
        np.testing.assert_allclose(got[0].numpy(), expected.numpy(), rtol=1e-3, atol=1e-3)
    both, mask = heard.batch([0, 1, 0])
    assert both.shape[:2] == mask.shape
    assert torch.equal(both[0], both[2])
    assert sequences.SoundSequences is type(heard)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["samsung2024/system5", "samsung2024/system6"])
def test_the_reports_systems_can_be_reranked(name: str, tmp_path: Path) -> None:
    recipe = small(load_recipe(name), tmp_path / "sounds")
    train_any(recipe, tmp_path / "run", silent)
    done = rerank_run(tmp_path / "run", 5, silent, weight=None)
    assert done.found.scores.shape == done.by_embeddings.scores.shape
    assert done.k == 5
