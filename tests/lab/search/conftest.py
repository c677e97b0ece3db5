"""Searches over the tiny recipe, with trainings that take no time unless a test wants them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.retrieval import Document

PARAMETERS: Document = {
    "optimiser.learning_rate": {"kind": "float", "low": 0.0001, "high": 0.1, "log": True},
    "augment.audio.gain_db": {"kind": "int", "low": 0, "high": 6},
    "optimiser.kind": {"kind": "choice", "choices": ["adam", "adamw"]},
}


@pytest.fixture
def recipe_file(document: Document, tmp_path: Path) -> Path:
    """The tiny recipe as a file."""
    path = tmp_path / "tiny.yaml"
    plain = document | {
        "audio": document["audio"]
        | {"options": {**document["audio"]["options"], "channels": [2, 4, 4, 8]}}
    }
    path.write_text(yaml.safe_dump(plain), encoding="utf-8")
    return path


@pytest.fixture
def make_search(recipe_file: Path, tmp_path: Path) -> Callable[..., Any]:
    """Return make_search(folder="study", storage=None, name=None, overrides=(), **space) → a
    `Search` over the tiny recipe."""
    from soundseek.lab.search.space import Space
    from soundseek.lab.search.tune import Search, Task

    def made(
        folder: str = "study",
        storage: str | None = None,
        name: str | None = None,
        overrides: tuple[str, ...] = (),
        **changes: Any,
    ) -> Search:
        document = {"name": "mine", "random_starts": 3, "parameters": PARAMETERS, **changes}
        space = Space.model_validate(document)
        task = Task(str(recipe_file), space, overrides)
        return Search(task, tmp_path / folder, storage=storage, name=name)

    return made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Trainings that take no time, in this process, whose value is made of their settings; returns
    the list of the orders that are carried out."""
    from soundseek.lab.runs.course import Point
    from soundseek.lab.runs.order import Carried, Order
    from soundseek.lab.search import tune
    from support.tasks import Inline

    orders: list[Order] = []

    def carry_out(order: Order, tell: Callable[[object], None]) -> Carried:
        orders.append(order)
        settings = order.recipe
        gain = float(settings["augment"]["audio"]["gain_db"])
        value = 0.5 - abs(gain - 4.0) / 20 - settings["optimiser"]["learning_rate"]
        points = (Point("train", 5, 1.0, value / 2), Point("train", 10, 2.0, value))
        tell("working")
        tell(points[0])
        return Carried(value, points, "stale" if gain == 0 else "full", 1.0)

    monkeypatch.setattr(tune, "Workers", Inline)
    monkeypatch.setattr(tune, "carry_out", carry_out)
    return orders
