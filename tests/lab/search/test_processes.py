"""Studies of real trainings in real processes, killed and gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")
pytest.importorskip("optuna")

from soundseek.lab.search.findings import Findings, findings
from support.command_line import hears_ctrl_c
from support.retrieval import silent

pytestmark = [pytest.mark.lab, pytest.mark.slow]

Make = Callable[..., Any]

SEARCH = """
import sys
from pathlib import Path
from soundseek.lab.search import tune
from soundseek.lab.search.space import load_space
from support import tasks
tune.carry_out = tasks.slowly
if __name__ == "__main__":
    recipe, space, folder = sys.argv[1:4]
    task = tune.Task(recipe, load_space(space))
    search = tune.Search(task, Path(folder), storage=None, name="s")
    search.run(lambda line: print(line, flush=True), trials=3, jobs=int(sys.argv[4]))
"""


def found(search: Any) -> Findings:
    with search.joined() as study:
        return findings(study.study)


def outcome(search: Any) -> list[tuple[str, Any, Any]]:
    return [(trial.folder, dict(trial.values), trial.value) for trial in found(search).trials]


def begun(script: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(script), *words],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        # Ctrl-C goes to a whole group: one of its own, not that of the tests.
        start_new_session=True,
        preexec_fn=hears_ctrl_c,
    )


def wait_for(process: subprocess.Popen[str], *words: str) -> None:
    """Read what is printed until a line has all the words."""
    assert process.stdout is not None
    for line in process.stdout:
        if all(word in line for word in words):
            return
    raise AssertionError(f"the process ended before it said {words}")


def group_ends(group: int) -> bool:
    """Whether nobody is left of a group of processes."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def files(make_search: Make, recipe_file: Path, tmp_path: Path) -> tuple[Path, str, str]:
    """A script that searches, the recipe, and the space."""
    script = tmp_path / "search.py"
    script.write_text(SEARCH, encoding="utf-8")
    space = tmp_path / "space.yaml"
    document = make_search().task.space.model_dump(mode="json")
    space.write_text(yaml.safe_dump(document), encoding="utf-8")
    return script, str(recipe_file), str(space)


def test_a_study_that_was_killed_ends_as_one_that_was_not(
    make_search: Make, files: tuple[Path, str, str], tmp_path: Path
) -> None:
    whole = make_search("whole")
    whole.run(silent, trials=3)
    script, recipe, space = files
    for moment in (("trial 0000:", "step 4/"), ("trial 0001:", "R@1")):
        process = begun(script, recipe, space, str(tmp_path / "killed"), "1")
        wait_for(process, *moment)
        process.kill()
        process.communicate()
        assert group_ends(process.pid)
    killed = make_search("killed", name="s")
    said: list[str] = []
    killed.run(said.append, trials=3)
    assert "1 interrupted trials go on" in said
    assert any("resumed stage train at step" in line for line in said)
    assert outcome(killed) == outcome(whole)
    assert all(trial.value is not None for trial in found(whole).trials)


def test_ctrl_c_ends_all_and_leaves_the_study_clean(
    make_search: Make, files: tuple[Path, str, str], tmp_path: Path
) -> None:
    script, recipe, space = files
    process = begun(script, recipe, space, str(tmp_path / "broken"), "2")
    wait_for(process, "trial 0001:", "step 3/")
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert group_ends(process.pid)
    broken = make_search("broken", name="s")
    assert [trial.folder for trial in found(broken).trials] == ["0000", "0001"]
    broken.run(silent, trials=3, jobs=2)
    trials = found(broken).trials
    assert [trial.folder for trial in trials] == ["0000", "0001", "0002"]
    assert all(trial.value is not None for trial in trials)
