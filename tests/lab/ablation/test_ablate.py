from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from soundseek.errors import DataError, RecipeError
from soundseek.lab.ablation import ablate as module
from soundseek.lab.ablation.ablate import Plan, ablate
from soundseek.lab.ablation.report import write_report
from soundseek.lab.ablation.rows import load_rows
from soundseek.lab.runs.order import Order
from soundseek.lab.runs.order import carry_out as real_carry_out
from support.retrieval import silent
from support.tasks import Inline

pytestmark = pytest.mark.lab

ROWS: list[Any] = [
    {"name": "whole", "published": {"mAP@10": 0.5}, "published_deviation": 0.01},
    {"name": "fast", "difference": {"optimiser": {"learning_rate": 0.1}}},
    {"name": "same", "difference": {"optimiser": {"learning_rate": 0.003}}},
    {"name": "short", "difference": {"optimiser": {"max_steps": 1}}},
]


@pytest.fixture
def plan(rows_file: Callable[..., str], recipe_file: Path, tmp_path: Path) -> Callable[..., Plan]:
    rows = load_rows(rows_file(*ROWS, source="a report, table 1"))

    def made(**settings: Any) -> Plan:
        return Plan.of(rows, str(recipe_file), tmp_path / "out", **{"seeds": (0, 1), **settings})

    return made


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    """Runs are made in this process; returns those that were ordered."""
    orders: list[Order] = []

    def carry_out(order: Order, tell: Any) -> Any:
        orders.append(order)
        return real_carry_out(order, tell)

    monkeypatch.setattr(module, "Workers", Inline)
    monkeypatch.setattr(module, "carry_out", carry_out)
    return orders


def names(orders: list[Order]) -> list[str]:
    return ["/".join(order.folder.parts[-2:]) for order in orders]


def test_every_row_runs_once_with_every_seed(
    plan: Callable[..., Plan], carried: list[Order], tmp_path: Path
) -> None:
    outcome = ablate(plan(seeds=(0,)), silent)
    assert names(carried) == ["whole/seed-0", "fast/seed-0", "short/seed-0"]
    text = report(plan(seeds=(0,)), outcome)
    assert "With one seed it is not known" in text
    said: list[str] = []
    outcome = ablate(plan(), said.append)
    assert names(carried[3:]) == ["whole/seed-1", "fast/seed-1", "short/seed-1"]
    assert "fast seed 0 is done" in said
    assert {order.recipe["seed"] for order in carried} == {0, 1}
    assert not outcome.failures
    assert outcome.compared["fast"].seeds == 2
    text = report(plan(), outcome)
    assert "- same is whole here, and was not run." in text
    assert "| whole | 2 |" in text
    assert "0.5000 ± 0.0100" in text
    assert "Published figures: a report, table 1." in text
    folder = tmp_path / "out"
    document = json.loads((folder / "ablation.json").read_text(encoding="utf-8"))
    assert [row["row"] for row in document["rows"]] == ["whole", "fast", "same", "short"]
    with (folder / "ablation.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    for line, row in zip(lines, document["rows"], strict=True):
        assert line["row"] == row["row"]
        if row["metrics"]:
            assert float(line["mAP@10"]) == row["metrics"]["mAP@10"]["value"]
        if row["difference"]:
            assert float(line["difference"]) == row["difference"]["value"]
            assert float(line["p_holm"]) == row["difference"]["p_holm"]
    scores = json.loads((folder / "whole" / "seed-1" / "scores.json").read_text(encoding="utf-8"))
    assert scores["seed"] == 1
    # Written again, everything is the same.
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    write_report(plan(), ablate(plan(), silent))
    assert before == {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    assert "differences.svg" in before


def report(plan: Plan, outcome: Any) -> str:
    write_report(plan, outcome)
    return (plan.folder / "ablation.md").read_text(encoding="utf-8")


def test_a_run_that_fails_stops_no_other(
    plan: Callable[..., Plan], carried: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    working = module.carry_out

    def failing(order: Order, tell: Any) -> Any:
        if order.folder.parts[-2] == "fast":
            raise DataError("step 2: the loss is nan")
        return working(order, tell)

    with monkeypatch.context() as context:
        context.setattr(module, "carry_out", failing)
        outcome = ablate(plan(seeds=(0,)), silent)
    assert outcome.failures == {"fast seed 0": "step 2: the loss is nan"}
    assert set(outcome.compared) == {"whole", "short"}
    text = report(plan(seeds=(0,)), outcome)
    assert "- fast seed 0: step 2: the loss is nan" in text
    assert "| fast | no run |" in text
    # It is tried again, alone.
    outcome = ablate(plan(seeds=(0,)), silent)
    assert names(carried) == ["whole/seed-0", "short/seed-0", "fast/seed-0"]
    assert not outcome.failures


def test_a_full_disk_ends_the_ablation(
    plan: Callable[..., Plan], carried: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(order: Order, tell: Any) -> Any:
        raise OSError("No space left on device")

    monkeypatch.setattr(module, "carry_out", full)
    with pytest.raises(DataError, match=r"whole seed 0: No space left.*\n.*goes on where it was"):
        ablate(plan(), silent)


def test_a_folder_of_something_else_is_refused_before_anything_runs(
    plan: Callable[..., Plan], carried: list[Order]
) -> None:
    ablate(plan(seeds=(0,)), silent)
    n = len(carried)
    with pytest.raises(RecipeError, match=r"holds a run of another recipe[\s\S]*one --out"):
        ablate(plan(overrides=("optimiser.epochs=1",)), silent)
    assert len(carried) == n


@pytest.mark.parametrize("seeds", [(), (0, 0), (-1,)])
def test_impossible_seeds(plan: Callable[..., Plan], seeds: tuple[int, ...]) -> None:
    with pytest.raises(RecipeError, match="name each once"):
        plan(seeds=seeds)


def test_a_damaged_result_is_named(plan: Callable[..., Plan], carried: list[Order]) -> None:
    ablate(plan(seeds=(0,)), silent)
    folder = plan().folder / "fast" / "seed-0" / "similarities" / "test"
    (folder / "scores.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"fast/seed-0/similarities/test is damaged"):
        ablate(plan(seeds=(0,)), silent)
    shutil.rmtree(folder)
    assert "fast" in ablate(plan(seeds=(0,)), silent).compared


@pytest.mark.slow
def test_several_at_once_give_what_one_after_the_other_gives(
    plan: Callable[..., Plan], tmp_path: Path
) -> None:
    one = ablate(plan(seeds=(0,)), silent).compared
    shutil.move(tmp_path / "out", tmp_path / "one")
    assert ablate(plan(seeds=(0,)), silent, jobs=2).compared == one
