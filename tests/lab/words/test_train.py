from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab.progress import Validation
from soundseek.lab.words import train
from soundseek.lab.words.trained import load_words

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fake_teacher")]


def silent(_: str) -> None:
    """Say nothing."""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def weights(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / "last.pt", weights_only=True)
    return state


def test_a_run_learns_and_tells_its_figures(
    words_recipe: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = words_recipe(
        optimiser={"steps": 120}, run={"log_steps": 20, "evaluate_steps": 60}, objective={}
    )
    seen: list[Validation] = []
    assert train.train(recipe, tmp_path, silent, watch=seen.append) == tmp_path / "last.pt"
    losses = [float(row["cosine"]) for row in rows(tmp_path / "metrics.csv")]
    assert len(losses) == 6
    assert losses[-1] < 0.8 * losses[0]
    found = rows(tmp_path / "validation.csv")
    assert [row["step"] for row in found] == ["60", "120"]
    assert set(found[0]) == {"step", "cosine", "held cosine", "held same@10", "held mAP@10"}
    assert [one.step for one in seen] == [60, 120]
    assert seen[1].figures["cosine"] == pytest.approx(float(found[1]["cosine"]))
    assert "reads texts" in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("start", ["random", "teacher"])
def test_a_killed_run_comes_to_the_same_result(
    words_recipe: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    recipe = words_recipe(network={"dropout": 0.1, "start": start})
    train.train(recipe, tmp_path / "whole", silent)
    real = train._Loop._learn

    def interrupted(loop: Any) -> dict[str, float]:
        if loop.step == 6:
            raise KeyboardInterrupt
        return real(loop)

    with monkeypatch.context() as patch:
        patch.setattr(train._Loop, "_learn", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train.train(recipe, tmp_path / "killed", silent)
    assert weights(tmp_path / "killed")["step"] == 4
    train.train(recipe, tmp_path / "killed", silent)
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    for part in ("network", "average"):
        for name, weight in whole[part].items():
            assert torch.equal(weight, killed[part][name]), name
    for table in ("metrics.csv", "validation.csv"):
        both = [rows(tmp_path / run / table) for run in ("whole", "killed")]
        for one, other in zip(*both, strict=True):
            assert {**one, "seconds": ""} == {**other, "seconds": ""}


@pytest.mark.parametrize("start", ["random", "teacher"])
def test_the_table_learns_first(
    words_recipe: Callable[..., Any], tmp_path: Path, start: str
) -> None:
    recipe = words_recipe(
        network={"start": start},
        table={"steps": 6, "learning_rate": 0.02, "warmup_steps": 2},
        run={"log_steps": 1, "checkpoint_steps": 100},
    )
    seen: list[Validation] = []
    train.train(recipe, tmp_path, silent, watch=seen.append)
    assert [one.step for one in seen] == [4, 8, 12, 14]
    rates = [float(row["learning_rate"]) for row in rows(tmp_path / "metrics.csv")]
    assert rates[:2] == pytest.approx([0.01, 0.02])
    assert rates[5] == pytest.approx(0.0002)
    assert rates[6:8] == pytest.approx([0.005, 0.01])
    assert rates[13] == pytest.approx(0.0001)


def test_blocks_rest_while_the_table_learns(
    words_recipe: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = words_recipe(table={"steps": 4}, optimiser={"steps": 1})
    train.train(recipe, tmp_path / "one", silent)
    outward = weights(tmp_path / "one")["network"]["encoder.blocks.0.out.weight"]
    # One step with a rate of a half of 0.01 moved them from nothing.
    assert 0 < outward.abs().max() <= 0.0051


def test_the_teacher_reads_a_text_once(
    words_recipe: Callable[..., Any], tmp_path: Path, fake_teacher: list[int]
) -> None:
    recipe = words_recipe(run={"cache": str(tmp_path / "cache")})
    train.train(recipe, tmp_path / "one", silent)
    read = sum(fake_teacher)
    assert read > 50
    train.train(words_recipe(run={"cache": str(tmp_path / "cache")}), tmp_path / "two", silent)
    assert sum(fake_teacher) == read


def test_another_recipe_is_refused(words_recipe: Callable[..., Any], tmp_path: Path) -> None:
    train.train(words_recipe(), tmp_path, silent)
    with pytest.raises(RecipeError, match="another recipe"):
        train.train(words_recipe(seed=4), tmp_path, silent)


def test_a_loss_that_is_no_number_ends_the_run(
    words_recipe: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = words_recipe(optimiser={"learning_rate": 1e38, "warmup_steps": 0})
    with pytest.raises(DataError, match=r"the loss is \S+ at step \d"):
        train.train(recipe, tmp_path, silent)


def test_a_tower_is_loaded_as_it_was_measured(
    words_recipe: Callable[..., Any], tmp_path: Path
) -> None:
    train.train(words_recipe(), tmp_path, silent)
    words = load_words(tmp_path)
    assert (words.max_tokens, words.step) == (12, 8)
    vectors = words.encode(["a bell rings", "wind", "a Bell RINGS!"])
    assert vectors.shape == (3, 16)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-6)
    assert not words.network.training
    assert words.network.encoder is words.encoder
    assert words.network.head is words.head


def test_what_is_no_tower_is_not_loaded(words_recipe: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no run in .*\n.*soundseek train soundseek/words --out "):
        load_words(tmp_path)
    (tmp_path / "recipe.json").write_text('{"system": "retrieval"}', encoding="utf-8")
    with pytest.raises(DataError, match="system retrieval, not of words"):
        load_words(tmp_path)
    document = '{"system": "words", "name": "mine"}'
    (tmp_path / "recipe.json").write_text(document, encoding="utf-8")
    with pytest.raises(DataError, match=r"no checkpoint yet\n.*soundseek train mine --out "):
        load_words(tmp_path)
