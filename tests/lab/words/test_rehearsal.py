from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab import systems
from soundseek.lab.systems import rehearse
from soundseek.lab.teachers import minilm

pytestmark = pytest.mark.lab


def silent(_: str) -> None:
    """Say nothing."""


def test_what_is_there_is_told(
    words_recipe: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(minilm, "MiniLm", lambda: None)
    found = rehearse(words_recipe(), tmp_path / "run", silent)
    assert found.problems == ()
    lines = "\n".join(found.lines())
    assert "texts to learn from" in lines
    assert "held: 22 captions to measure with" in lines


def test_all_that_is_missing_is_told_at_once(
    words_recipe: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise DataError("no teacher here", remedy="install it")

    monkeypatch.setattr(minilm, "MiniLm", missing)
    recipe = words_recipe(data={"captions": ["nowhere.csv"]}, run={"device": "cuda:99"})
    problems = rehearse(recipe, None, silent).problems
    assert [problem.where for problem in problems] == ["data", "text teacher", "run.device"]


def test_a_text_tower_ranks_nothing_and_makes_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="reads texts and ranks no clips"):
        systems.check_ranking({"system": "words"}, "the recipe")
    assert systems.SYSTEMS["words"].export is None
