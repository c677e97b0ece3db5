from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from support.command_line import succeeded, typed

pytestmark = pytest.mark.lab


@pytest.fixture
def run() -> Path:
    """A run that has validated once."""
    folder = Path("run")
    folder.mkdir()
    recipe = {"system": "retrieval", "name": "r", "description": "d", "seed": 2}
    (folder / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    (folder / "validation.csv").write_text("step,stage,mAP@10\n4,train,0.25\n", encoding="utf-8")
    return folder


def test_a_report_is_written(run: Path) -> None:
    assert succeeded("report", run).strip() == str(run / "report.md")
    assert (run / "report.html").is_file()


def test_as_json(run: Path) -> None:
    shown = json.loads(succeeded("report", run, "--json"))
    assert shown["report"] == str(run / "report.md")
    assert shown["kept"] == {"train": {"step": 4, "mAP@10": 0.25}}
    assert (shown["seed"], shown["metrics"]) == (2, {})
    scores = {"clips": 3, "n": 6, "metrics": {"R@1": {"value": 0.5, "ci95": [0.1, 0.9]}}}
    (run / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    shown = json.loads(succeeded("report", run, "--json"))
    assert shown["metrics"]["R@1"]["value"] == 0.5
    assert "R@1  0.5000" in typed("report", run).stderr


@pytest.mark.parametrize(
    ("made", "said"),
    [(None, "no run in run"), ({"scores.json": "{"}, "scores.json is damaged")],
)
def test_wrong_use(made: dict[str, str] | None, said: str, request: pytest.FixtureRequest) -> None:
    if made is not None:
        folder = request.getfixturevalue("run")
        for name, text in made.items():
            (folder / name).write_text(text, encoding="utf-8")
    result = typed("report", "run")
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""
