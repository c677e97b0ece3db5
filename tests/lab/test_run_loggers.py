from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.errors import RecipeError, SoundseekError
from soundseek.lab import run_loggers
from soundseek.lab.run_loggers import open_loggers

pytestmark = pytest.mark.lab

Told = list[str]


def opened(folder: Path, names: list[str], resumed: int = 0, **more: Any) -> Any:
    return open_loggers(
        names, folder, run_name="r", config={"seed": 1}, resumed_step=resumed, **more
    )


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stand-in for wandb: `started` holds what `init` was given, `logged` what was logged."""
    module: Any = ModuleType("wandb")
    module.started, module.logged, module.finished = [], [], 0

    class Run:
        def log(self, values: Mapping[str, float], step: int) -> None:
            module.logged.append((step, dict(values)))

        def finish(self) -> None:
            module.finished += 1

    def init(**given: Any) -> Run:
        module.started.append(given)
        return Run()

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Name → (step, value) as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    seen = EventAccumulator(str(folder / "tensorboard"))
    seen.Reload()
    return {
        name: [(one.step, round(one.value, 4)) for one in seen.Scalars(name)]
        for name in seen.Tags()["scalars"]
    }


def test_tensorboard_shows_every_step_of_a_resumed_run_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    first = opened(tmp_path, ["tensorboard"])
    for step in range(1, 8):
        first.scalars(step, {"train/loss": step / 10, "mAP@10": math.nan})
    first.scalars(2, {"mAP@10": 0.5})
    first.close()
    # The checkpoint was of step 4.
    second = opened(tmp_path, ["tensorboard"], 4)
    for step in range(5, 10):
        second.scalars(step, {"train/loss": step / 10})
    second.close()
    assert events(tmp_path) == {
        "train/loss": [(step, step / 10) for step in range(1, 10)],
        "mAP@10": [(2, 0.5)],
    }


def test_tensorboard_forgets_a_run_that_was_killed_before_its_first_checkpoint(
    tmp_path: Path,
) -> None:
    pytest.importorskip("tensorboard")
    for value in (0.1, 0.2):
        logger = opened(tmp_path, ["tensorboard"])
        logger.scalars(1, {"loss": value})
        logger.close()
    assert events(tmp_path) == {"loss": [(1, 0.2)]}


def test_wandb_goes_on_with_its_run(wandb: Any, tmp_path: Path) -> None:
    options = {"wandb": {"project": "p", "tags": ["a"], "mode": "offline"}}
    logger = opened(tmp_path, ["wandb"], options=options)
    logger.scalars(3, {"loss": 1.0, "nt_xent": math.nan})
    logger.close()
    opened(tmp_path, ["wandb"], 3).close()
    one, two = wandb.started
    identity = json.loads((tmp_path / "wandb.json").read_text(encoding="utf-8"))["id"]
    assert one["id"] == two["id"] == identity
    assert one["resume"] == "allow"
    assert (one["project"], one["tags"], one["mode"]) == ("p", ("a",), "offline")
    assert (one["name"], one["config"], one["dir"]) == ("r", {"seed": 1}, str(tmp_path))
    # WANDB_MODE decides where nothing is asked for.
    assert "mode" not in two
    assert wandb.logged == [(3, {"loss": 1.0})]
    assert wandb.finished == 2


def test_another_folder_is_another_run_of_wandb(wandb: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        opened(tmp_path / name, ["wandb"]).close()
    assert wandb.started[0]["id"] != wandb.started[1]["id"]
    (tmp_path / "a" / "wandb.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SoundseekError, match=r"wandb\.json does not tell"):
        opened(tmp_path / "a", ["wandb"])


def test_without_wandb_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None makes Python refuse the import.
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(SoundseekError, match=r"pip install 'soundseek\[wandb\]'"):
        opened(tmp_path, ["wandb"])


def test_a_folder_called_wandb_is_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", ModuleType("wandb"))
    with pytest.raises(SoundseekError, match=r"pip install 'soundseek\[wandb\]'"):
        opened(tmp_path, ["wandb"])


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        (["tensorbord"], {}, "did you mean 'tensorboard'"),
        ([], {"wndb": {}}, "did you mean 'wandb'"),
        (["wandb"], {"wandb": {"projekt": "p"}}, "did you mean 'project'"),
        (["wandb"], {"wandb": {"mode": "of"}}, "mode"),
    ],
)
def test_wrong_names(names: list[str], options: Any, said: str, wandb: Any, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=said):
        opened(tmp_path, names, options=options)
    assert wandb.started == []


class Failing:
    """A logger that fails at a step, and in closing."""

    def __init__(self, session: Any) -> None:
        self.seen: list[int] = []
        Failing.last = self

    last: Failing

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self.seen.append(step)
        if step == 2:
            raise OSError("the disk is full")

    def close(self) -> None:
        raise RuntimeError("nor can it be closed")


def test_a_logger_that_fails_is_told_of_once_and_left_out(
    tmp_path: Path, wandb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {"failing": Failing, **run_loggers.LOGGERS}
    monkeypatch.setattr(run_loggers, "LOGGERS", table)
    told: Told = []
    logger = opened(tmp_path, ["failing", "wandb", "wandb"], say=told.append)
    for step in (1, 2, 3):
        logger.scalars(step, {"loss": 1.0})
    logger.close()
    logger.close()
    assert Failing.last.seen == [1, 2]
    assert [step for step, _ in wandb.logged] == [1, 2, 3]
    assert wandb.finished == 1
    assert len(told) == 2
    assert "failing gets no more figures, from step 2 on: OSError('the disk is full')" in told[0]
    assert "could not be closed" in told[1]


def test_a_logger_that_cannot_be_opened_is_left_out(
    tmp_path: Path, wandb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(wandb, "init", refuse)
    told: Told = []
    logger = opened(tmp_path, ["wandb"], say=told.append)
    logger.scalars(1, {"loss": 1.0})
    logger.close()
    assert told == ["wandb cannot be opened and gets no figures: ConnectionError('no network')"]


def test_no_loggers(tmp_path: Path) -> None:
    logger = opened(tmp_path, [])
    logger.scalars(1, {"loss": 1.0})
    logger.close()
    assert list(tmp_path.iterdir()) == []
