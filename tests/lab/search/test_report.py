from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("optuna")
pytest.importorskip("matplotlib")

from soundseek.errors import DataError
from soundseek.lab.recipe_files import with_values
from soundseek.lab.search import tune
from soundseek.lab.search.report import summary, write_report
from soundseek.lab.search.space import Space
from soundseek.lab.search.tune import Search, Task
from soundseek.lab.systems import load_recipe, recipe_of
from support.retrieval import silent

pytestmark = pytest.mark.lab

Make = Callable[..., Any]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_best_configuration_is_a_recipe(
    make_search: Make, quick: list[Any], tmp_path: Path
) -> None:
    search = make_search(overrides=("optimiser.epochs=3", "audio.options.channels.0=3"))
    search.run(silent, trials=9)
    found = write_report(search)
    assert found.best is not None
    recipe: Any = load_recipe(str(tmp_path / "study" / "best.yaml"))
    document = with_values(search.document, found.best.values)
    wanted: Any = recipe_of(document, "wanted")
    words = {"name", "description"}
    assert recipe.model_dump(exclude=words) == wanted.model_dump(exclude=words)
    assert recipe.optimiser.epochs == 3
    assert recipe.name == "test/tiny_mine_best"
    assert f"{found.best.value:.4f} on the validation set" in (
        tmp_path / "study" / "best.yaml"
    ).read_text(encoding="utf-8")


def test_the_best_of_a_shipped_recipe_extends_it_by_name(tmp_path: Path) -> None:
    parameters = {"augment.audio.gain_db": {"kind": "int", "low": 0, "high": 6}}
    space = Space.model_validate({"name": "mine", "parameters": parameters})
    search = Search(Task("cpjku2022/no_eda", space), tmp_path / "s", storage=None, name=None)
    with search.joined() as study:
        running = study.begin(1)
        assert running is not None
        from soundseek.lab.runs.order import Carried

        study.finish(running, Carried(0.25, (), "full", 1.0))
    write_report(search)
    text = (tmp_path / "s" / "best.yaml").read_text(encoding="utf-8")
    assert "\nextends: cpjku2022/no_eda\n" in text
    best: Any = load_recipe(str(tmp_path / "s" / "best.yaml"))
    plain: Any = load_recipe("cpjku2022/no_eda")
    assert best.augment.audio.gain_db == running.values["augment.audio.gain_db"]
    assert best.augment.text == plain.augment.text


def test_trials_come_back_from_the_table(
    make_search: Make, quick: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = tune.carry_out

    def failing(order: Any, tell: Any) -> Any:
        if order.folder.name == "0002":
            raise DataError("the loss, it is nan")
        return working(order, tell)

    monkeypatch.setattr(tune, "carry_out", failing)
    search = make_search()
    search.run(silent, trials=10)
    found = write_report(search)
    rows = table(tmp_path / "study" / "trials.csv")
    assert [row["trial"] for row in rows] == [trial.folder for trial in found.trials]
    for row, trial in zip(rows, found.trials, strict=True):
        assert row["value"] == ("" if trial.value is None else str(trial.value))
        assert {key: row[key] for key in trial.values} == {
            key: str(value) for key, value in trial.values.items()
        }
    assert (rows[2]["state"], rows[2]["reason"]) == ("failed", "the loss, it is nan")
    text = (tmp_path / "study" / "report.md").read_text(encoding="utf-8")
    assert "9 trials are complete" in text
    assert "- trial 0002: the loss, it is nan" in text
    # What matters most is what the values are made of; the optimiser's kind is not among it.
    assert min(found.importances, key=found.importances.__getitem__) == "optimiser.kind"
    assert sum(found.importances.values()) == pytest.approx(1.0)
    told = summary(search, found)
    assert json.loads(json.dumps(told)) == told
    assert told["trials"] == {
        "complete": 9,
        "ended_early": sum(trial.early for trial in found.trials),
        "failed": 1,
        "under_way": 0,
    }


def test_a_report_is_the_same_when_it_is_written_again(
    make_search: Make, quick: list[Any], tmp_path: Path
) -> None:
    search = make_search()
    search.run(silent, trials=9)
    folder = tmp_path / "study"
    kept = []
    for _ in range(2):
        write_report(search)
        files = sorted(path for path in folder.iterdir() if path.suffix != ".db" and path.is_file())
        kept.append({path.name: path.read_bytes() for path in files if "db" not in path.name})
    assert kept[0] == kept[1]
    assert set(kept[0]) == {
        *("best.yaml", "report.md", "trials.csv"),
        *("history.svg", "importances.svg", "slices.svg"),
    }


def test_a_study_without_a_result_has_a_report(make_search: Make, tmp_path: Path) -> None:
    search = make_search()
    found = write_report(search)
    assert found.best is None
    assert summary(search, found)["best"] is None
    text = (tmp_path / "study" / "report.md").read_text(encoding="utf-8")
    assert "0 trials are complete" in text
    assert not (tmp_path / "study" / "best.yaml").exists()
