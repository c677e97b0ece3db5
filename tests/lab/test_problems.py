from __future__ import annotations

import pytest

from soundseek.errors import DataError
from soundseek.lab.problems import Problem, Problems


def test_an_error_is_kept_and_the_rest_goes_on() -> None:
    problems, reached = Problems(), []
    with problems.collecting("data"):
        raise DataError("no clips", remedy="get some")
    reached.append("behind")
    with problems.collecting("model"):
        reached.append("nothing wrong")
    assert reached == ["behind", "nothing wrong"]
    assert list(problems) == [Problem("data", "no clips", "get some")]
    assert str(next(iter(problems))) == "data: no clips\n  → get some"


def test_one_problem_of_several_places_is_told_once() -> None:
    problems = Problems()
    for where in ("train", "test", "train"):
        problems.add(where, "no corpus")
    problems.add("train", "no corpus", "get it")
    assert [str(one) for one in problems] == [
        "train, test: no corpus",
        "train: no corpus\n  → get it",
    ]
    assert len(problems) == 2


def test_bugs_are_no_problems() -> None:
    with pytest.raises(ZeroDivisionError), Problems().collecting("data"):
        _ = 1 / 0
