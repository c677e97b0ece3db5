from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("optuna")

from soundseek.errors import DataError, RecipeError
from soundseek.lab.runs.order import Order
from soundseek.lab.search import tune
from soundseek.lab.search.findings import Findings, findings
from support.retrieval import silent

pytestmark = pytest.mark.lab

Make = Callable[..., Any]


def found(search: Any) -> Findings:
    with search.joined() as study:
        return findings(study.study)


def tried(search: Any) -> list[dict[str, Any]]:
    return [dict(trial.values) for trial in found(search).trials]


def test_a_study_has_as_many_trials_as_were_asked_for(make_search: Make, quick: list[Any]) -> None:
    search = make_search()
    search.run(silent, trials=6)
    trials = found(search).trials
    assert [trial.folder for trial in trials] == [f"{n:04d}" for n in range(6)]
    assert {trial.state for trial in trials} == {"complete"}
    assert [order.folder.name for order in quick] == [trial.folder for trial in trials]
    for order, trial in zip(quick, trials, strict=True):
        assert (
            order.recipe["optimiser"]["learning_rate"] == (trial.values["optimiser.learning_rate"])
        )
        assert order.patience == 10
        assert trial.validations == 2
        assert trial.early == (trial.values["augment.audio.gain_db"] == 0)
    best = found(search).best
    assert best is not None
    assert best.value == max(trial.value for trial in trials if trial.value is not None)


def test_a_study_goes_on_where_it_was(make_search: Make, quick: list[Any]) -> None:
    whole, parts = make_search("whole"), make_search("parts")
    whole.run(silent, trials=8)
    for trials in (2, 5, 5, 8):
        parts.run(silent, trials=trials)
    assert len(quick) == 16
    assert tried(parts) == tried(whole)
    assert len({str(values) for values in tried(whole)}) == 8


def test_the_order_of_the_file_changes_nothing(make_search: Make, quick: list[Any]) -> None:
    one = make_search("one")
    parameters = dict(reversed(one.task.space.model_dump()["parameters"].items()))
    other = make_search("other", parameters=parameters)
    one.run(silent, trials=5)
    other.run(silent, trials=5)
    assert tried(one) == tried(other)


def test_seeds_differ(make_search: Make, quick: list[Any]) -> None:
    one, other = make_search("one"), make_search("other", seed=1)
    one.run(silent, trials=2)
    other.run(silent, trials=2)
    assert tried(one) != tried(other)


def test_an_interrupted_trial_is_tried_again(
    make_search: Make, quick: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = make_search("whole"), make_search("broken")
    whole.run(silent, trials=7)
    working = tune.carry_out

    def interrupted(order: Order, tell: Any) -> Any:
        if order.folder.name == "0004":
            raise KeyboardInterrupt
        return working(order, tell)

    with monkeypatch.context() as context:
        context.setattr(tune, "carry_out", interrupted)
        with pytest.raises(KeyboardInterrupt):
            broken.run(silent, trials=7)
    assert [trial.state for trial in found(broken).trials] == ["complete"] * 4 + ["under way"]
    broken.run(silent, trials=7)
    trials = found(broken).trials
    assert [trial.state for trial in trials] == ["complete"] * 7
    assert tried(broken) == tried(whole)
    assert trials[4].folder == "0004"


def test_a_failed_trial_is_recorded_and_the_study_goes_on(
    make_search: Make, quick: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    working = tune.carry_out

    def failing(order: Order, tell: Any) -> Any:
        if order.folder.name in ("0001", "0003"):
            raise DataError("the loss is nan", remedy="lower the rate")
        return working(order, tell)

    monkeypatch.setattr(tune, "carry_out", failing)
    search = make_search()
    said: list[str] = []
    search.run(said.append, trials=5)
    failed = found(search).failed
    assert [(one.folder, one.reason) for one in failed] == [
        ("0001", "the loss is nan\n  → lower the rate"),
        ("0003", "the loss is nan\n  → lower the rate"),
    ]
    assert "trial 0001 failed: the loss is nan\n  → lower the rate" in said
    assert (tmp_path / "study" / "trials" / "0003" / "failure.txt").read_text() == "details"
    # They count: there is nothing left to do.
    n = len(quick)
    search.run(silent, trials=5)
    assert len(quick) == n == 3


def test_three_failures_at_once_end_a_study(
    make_search: Make, quick: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(order: Order, tell: Any) -> Any:
        raise DataError("no clip can be read")

    monkeypatch.setattr(tune, "carry_out", failing)
    with pytest.raises(DataError, match="the first 3 trials failed; the last: no clip can be read"):
        make_search().run(silent, trials=10)


def test_a_full_disk_fails_no_trial(
    make_search: Make, quick: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(order: Order, tell: Any) -> Any:
        raise OSError("No space left on device")

    search = make_search()
    with monkeypatch.context() as context:
        context.setattr(tune, "carry_out", full)
        with pytest.raises(
            DataError, match=r"trial 0000: No space left.*\n.*run the command again"
        ):
            search.run(silent, trials=3)
    search.run(silent, trials=3)
    assert [trial.state for trial in found(search).trials] == ["complete"] * 3
    assert quick[0].folder.name == "0000"


def test_a_study_of_something_else_is_refused(make_search: Make, quick: list[Any]) -> None:
    make_search().run(silent, trials=1)
    for other in (
        make_search(overrides=("optimiser.epochs=3",)),
        make_search(seed=7),
        make_search(patience=None),
        make_search(parameters={"seed": {"kind": "int", "low": 0, "high": 9}}),
    ):
        with pytest.raises(RecipeError, match=r"is of another recipe or search space\n.*--study"):
            other.run(silent, trials=2)
    # More trials, other random starts and another way of working are the same study.
    make_search(trials=50, random_starts=1, overrides=("run.log_steps=7",)).run(silent, trials=2)
    assert len(quick) == 2


def test_values_that_do_not_go_together_fail_their_trial(
    make_search: Make, quick: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from soundseek.lab.recipe_files import RecipeBase

    real = tune.recipe_of
    search = make_search()

    def picky(document: Any, where: str) -> RecipeBase:
        if document["augment"]["audio"]["gain_db"] < 3:
            raise RecipeError("too quiet")
        return real(document, where)

    monkeypatch.setattr(tune, "recipe_of", picky)
    search.run(silent, trials=6)
    trials = found(search).trials
    assert len(trials) == 6
    for trial in trials:
        quiet = trial.values["augment.audio.gain_db"] < 3
        assert (trial.reason == "too quiet") == quiet
    assert 0 < len(quick) < 6
