from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("optuna")

from optuna.trial import TrialState

from soundseek.lab.runs.course import Point
from soundseek.lab.runs.order import Carried
from soundseek.lab.search import study as module
from soundseek.lab.search.sampler import counts

pytestmark = pytest.mark.lab

Make = Callable[..., Any]


def carried(value: float) -> Carried:
    return Carried(value, (Point("train", 1, 1.0, value),), "full", 1.0)


def states(study: Any) -> list[TrialState]:
    return [trial.state for trial in study.study.get_trials()]


def test_two_who_join_see_each_other(make_search: Make) -> None:
    with make_search().joined() as one, make_search().joined() as other:
        first, second = one.begin(3), other.begin(3)
        assert (first.folder, second.folder) == ("0000", "0001")
        assert first.values != second.values
        one.finish(first, carried(0.1))
        third = one.begin(3)
        assert third is not None
        assert other.begin(3) is None
        # What lives is left alone.
        assert other.take_over() == one.take_over() == 0


def test_a_trial_too_many_is_given_back(make_search: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with make_search().joined() as one, make_search().joined() as other:
        assert one.begin(1) is not None
        # The other counted before that trial was there.
        real = other.counted
        answers = [[], None]
        monkeypatch.setattr(
            other, "counted", lambda: real() if (a := answers.pop(0)) is None else a
        )
        assert other.begin(1) is None
        assert [counts(trial) for trial in one.study.get_trials()] == [True, False]


def test_a_trial_of_the_dead_is_taken_over(make_search: Make, tmp_path: Path) -> None:
    with make_search().joined() as dead:
        begun, other = dead.begin(5), dead.begin(5)
    # As after kill -9: the file of its lock is there, and nobody holds it.
    (tmp_path / "study" / "owners" / dead._owner.split()[1]).touch()
    with make_search().joined() as study:
        assert study.take_over() == 2
        assert study.take_over() == 0
        again, also = study.begin(5), study.begin(5)
        assert (again.values, again.folder) == (begun.values, begun.folder)
        assert (also.values, also.folder) == (other.values, other.folder)
        study.finish(again, carried(0.5))
        study.finish(also, carried(0.4))
        assert states(study) == [TrialState.FAIL] * 2 + [TrialState.COMPLETE] * 2
        assert len(study.counted()) == 2


def test_silence_on_another_machine(make_search: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with make_search().joined() as here:
        monkeypatch.setattr(module.socket, "gethostname", lambda: "elsewhere")
        with make_search().joined() as there:
            mine = there.begin(5)
            monkeypatch.undo()
            assert here.take_over() == 0
            later = time.time() + module.SILENCE_S + 1
            monkeypatch.setattr(module.time, "time", lambda: later)
            assert here.take_over() == 1
            # The silent one comes back too late: its result is dropped, and breaks nothing.
            there.finish(mine, carried(0.3))
            there.fail(mine, "too late")
            there.give_up(mine)
            assert states(here) == [TrialState.FAIL, TrialState.WAITING]


def test_a_sign_of_life_is_given_now_and_then(
    make_search: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_search().joined() as study:
        running = study.begin(1)
        given = running.beaten
        study.beat(running)
        assert running.beaten == given
        monkeypatch.setattr(module.time, "monotonic", lambda: given + 31)
        study.beat(running)
        assert running.beaten == given + 31


def test_an_owner_leaves_no_file(make_search: Make, tmp_path: Path) -> None:
    with make_search().joined():
        assert len(list((tmp_path / "study" / "owners").iterdir())) == 1
    assert not list((tmp_path / "study" / "owners").iterdir())
