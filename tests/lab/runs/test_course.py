from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from soundseek.errors import DataError
from soundseek.lab.progress import Validation
from soundseek.lab.runs.course import Course

pytestmark = pytest.mark.lab


def validation(step: int, value: float, stage: str = "train") -> Validation:
    return Validation(stage, step, step / 10, {"mAP@10": value, "R@1": 0.0})


def test_the_best_and_how_long_nothing_was_gained(tmp_path: Path) -> None:
    course = Course(tmp_path, "mAP@10")
    for step, value in ((10, 0.1), (20, 0.3), (30, 0.3), (40, 0.2)):
        course.add(validation(step, value))
    assert (course.best.step, course.best.value, course.stale) == (20, 0.3, 2)


def test_a_course_is_known_again(tmp_path: Path) -> None:
    course = Course(tmp_path, "mAP@10")
    course.add(validation(10, 0.1))
    course.add(validation(20, 0.2))
    assert Course(tmp_path, "mAP@10").points == course.points


def test_a_resumed_run_replaces_what_it_repeats(tmp_path: Path) -> None:
    course = Course(tmp_path, "mAP@10")
    for step in (10, 20, 30):
        course.add(validation(step, step / 100))
    again = Course(tmp_path, "mAP@10")
    again.add(validation(20, 0.2))
    assert [point.step for point in again.points] == [10, 20]


def test_figures_of_another_stage_do_not_count(tmp_path: Path) -> None:
    course = Course(tmp_path, "mAP@10")
    course.add(validation(10, 0.9, "first"))
    course.add(validation(20, 0.2, "second"))
    assert (course.stage, course.best.value, course.stale) == ("second", 0.2, 0)


def test_a_figure_that_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"do not tell mAP@12\n.*mAP@10, R@1"):
        Course(tmp_path, "mAP@12").add(validation(1, 0.1))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_figure_that_is_not_finite(tmp_path: Path, value: float) -> None:
    with pytest.raises(DataError, match=f"mAP@10 is {value} at step 7"):
        Course(tmp_path, "mAP@10").add(validation(7, value))


def test_no_validation_has_no_best(tmp_path: Path) -> None:
    course = Course(tmp_path, "mAP@10")
    assert course.stale == 0
    with pytest.raises(DataError, match="the run validated nothing"):
        _ = course.best
