from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundseek.lab.similarities import Similarities, open_similarities
from support.command_line import succeeded, typed
from support.similarities import made, noisy


@pytest.fixture(autouse=True)
def runs(home: Path) -> None:
    """a keeps both parts; fold-0 and fold-1 keep validation clips that differ."""
    for seed, part in enumerate(("test", "validation")):
        noisy(seed).save(home / "a" / "similarities" / part)
    for number, names in enumerate(("abc", "def")):
        scores = np.random.default_rng(number).standard_normal((6, 3))
        found = made(scores, names=list(names))
        found.save(home / f"fold-{number}" / "similarities" / "validation")


def told(*words: str) -> Any:
    return json.loads(succeeded("evaluate", "run", *words, "--json"))


def test_a_run_on_its_own_clips() -> None:
    for words, seed in ((["a"], 0), (["a", "--part", "validation"], 1)):
        document = told(*words)
        assert (document["n"], document["clips"]) == (24, 12)
        expected = noisy(seed).metrics()["mAP@10"]
        assert document["metrics"]["mAP@10"]["value"] == pytest.approx(expected.value, abs=1e-5)
        assert expected.ci95 is not None
        assert document["metrics"]["mAP@10"]["ci95"] == pytest.approx(expected.ci95, abs=1e-5)
    shown = succeeded("evaluate", "run", "a")
    assert "24 queries, 12 clips" in shown
    assert "mAP@10" in shown


def test_what_is_saved_is_scored_again() -> None:
    first = told("a", "--save", "kept")
    assert np.array_equal(open_similarities("kept").scores, noisy(0).scores)
    assert told("kept") == first
    told("a", "--part", "validation", "--save", "kept")
    assert np.array_equal(open_similarities("kept").scores, noisy(1).scores)
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine", encoding="utf-8")
    result = typed("evaluate", "run", "a", "--save", "mine")
    assert result.exit_code == 2
    assert "is taken" in result.stderr


def test_out_of_fold() -> None:
    document = told("fold-0", "fold-1", "--out-of-fold")
    assert (document["n"], document["clips"], len(document["folds"])) == (12, 6, 2)
    shown = succeeded("evaluate", "run", "fold-0", "fold-1", "--out-of-fold")
    assert "fold-0: 6 queries, 3 clips" in shown
    assert "out of fold, each query among the clips of its own: 12 queries, 6 clips" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a", "b"], "only --out-of-fold takes several"),
        (["a", "--out-of-fold"], "two folds or more"),
        (["a", "./a", "--out-of-fold"], "named twice"),
        (["a", "fold-0", "--out-of-fold", "--rerank", "3"], "--out-of-fold goes with no"),
        (["a", "--mix", "auto"], "--mix belongs to --rerank"),
        (["a", "--rerank", "3", "--mix", "2"], "neither auto nor a number from 0 to 1"),
        (["a", "--rerank", "3", "--mix", "much"], "neither auto nor a number"),
        (["a", "--rerank", "0"], "--rerank"),
        (["a", "--root", "x"], "belong to --corpus"),
        (["a", "--corpus", "clotho"], "needs --root DIR"),
        (["a", "--corpus", "clotho", "--root", "x", "--manifest", "y"], "one of them"),
        (["a", "--manifest", "y", "--root", "x"], "--root belongs to --corpus"),
        (["a", "--manifest", "y", "--part", "validation"], "a run's own clips"),
        (["gone"], "there is nothing at gone"),
        (["fold-0"], "keeps no similarities of test"),
    ],
)
def test_wrong_use(words: list[str], said: str) -> None:
    result = typed("evaluate", "run", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_reranking_is_told_beside_what_was_before(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from soundseek.lab.retrieval import rerank

    asked: list[Any] = []

    def done(run: Path, k: int, say: Any, sources: Any, **how: Any) -> rerank.Reranked:
        asked.append((run, k, sources, how))
        after: Similarities = noisy(7)
        return rerank.Reranked(noisy(0), after, k, 0.3)

    monkeypatch.setattr(rerank, "rerank_run", done)
    document = told("a", "--rerank", "5", "--mix", "auto")
    assert asked == [(Path("a"), 5, None, {"part": "test", "weight": None})]
    assert document["rerank"] == {"k": 5, "weight": 0.3}
    after, before = noisy(7).metrics()["R@1"].value, noisy(0).metrics()["R@1"].value
    assert document["metrics"]["R@1"]["value"] == pytest.approx(after, abs=1e-5)
    assert document["by_embeddings"]["metrics"]["R@1"]["value"] == pytest.approx(before, abs=1e-5)
    shown = succeeded("evaluate", "run", "a", "--rerank", "5")
    assert "by embeddings: 24 queries, 12 clips" in shown
    assert "the first 5 ordered by the matching head, weight 0.3" in shown
