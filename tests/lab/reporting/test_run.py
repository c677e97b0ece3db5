from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.reporting.run import read_run
from soundseek.lab.reporting.scored_on import comparable, scored_on

pytestmark = pytest.mark.lab

Made = Callable[..., Path]


def test_everything_is_read(run_folder: Made) -> None:
    run = read_run(run_folder())
    assert run.stages() == ["first", "stage-2"]
    assert [row.step for row in run.losses] == [3, 6, 9]
    assert run.losses[0].values["nt_xent"] == pytest.approx(4 / 3)
    assert run.scores is not None
    assert run.part == "test"
    # The best of the first stage, the last of the second, as the recipe has it.
    assert {stage: row.step for stage, row in run.kept().items()} == {"first": 3, "stage-2": 9}


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run in"):
        read_run(tmp_path)


def test_scores_that_are_lacking_are_computed(run_folder: Made, found: Any) -> None:
    folder = run_folder()
    whole = read_run(folder).scores
    assert whole is not None
    older = {name: value for name, value in whole.items() if name != "audio_to_text"}
    older["metrics"] = older["metrics"] | {"R@1": {"value": 0.123, "ci95": None}}
    (folder / "scores.json").write_text(json.dumps(older), encoding="utf-8")
    again = read_run(folder).scores
    assert again is not None
    assert again["audio_to_text"] == whole["audio_to_text"]
    assert again["metrics"]["R@1"]["value"] == 0.123
    (folder / "scores.json").unlink()
    computed = read_run(folder).scores
    assert computed is not None
    assert computed["metrics"] == whole["metrics"]
    shutil.rmtree(folder / "similarities")
    assert read_run(folder).scores is None


def test_the_validation_set_stands_in_for_queries_but_not_for_scores(run_folder: Made) -> None:
    folder = run_folder()
    (folder / "scores.json").unlink()
    (folder / "similarities" / "test").rename(folder / "similarities" / "validation")
    run = read_run(folder)
    assert run.part == "validation"
    assert run.found is not None
    assert run.scores is None


def test_a_half_written_last_line_is_left_out_and_a_broken_table_is_named(
    run_folder: Made,
) -> None:
    folder = run_folder()
    table = folder / "metrics.csv"
    whole = table.read_text(encoding="utf-8")
    table.write_text(whole + "12,stage", encoding="utf-8")
    assert [row.step for row in read_run(folder).losses] == [3, 6, 9]
    table.write_text("", encoding="utf-8")
    assert read_run(folder).losses == []
    for broken in (whole.replace("\n6,", "\nsix,").encode(), b"step\n\xff\n", b"loss\n1\n"):
        table.write_bytes(broken)
        with pytest.raises(DataError, match=r"metrics\.csv is damaged"):
            read_run(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"n": 1}', '{"n": 1, "metrics": {"R@1": 0.5}}'])
def test_damaged_scores_are_named(run_folder: Made, text: str) -> None:
    folder = run_folder()
    (folder / "scores.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"scores\.json is damaged"):
        read_run(folder)


CLOTHO = {"corpus": "clotho", "split": "test"}


@pytest.mark.parametrize(
    ("data", "clips", "name"),
    [
        ({"test": [CLOTHO]}, 1045, "clotho/evaluation"),
        ({"test": [CLOTHO]}, 1044, "a part of clotho/evaluation"),
        ({"test": [CLOTHO], "most_clips": 50}, 50, "a part of clotho/evaluation"),
        ({"test": [CLOTHO | {"exclude": ["x"]}]}, 1045, "a part of clotho/evaluation"),
        ({"test": [{"corpus": "audiocaps", "split": "test"}]}, 9, "audiocaps/test"),
        (
            {"test": [CLOTHO, {"manifest": "a/b/mine.parquet"}]},
            9,
            "clotho/evaluation + mine.parquet",
        ),
        ({"test": []}, 9, None),
    ],
)
def test_which_test_set(run_folder: Made, data: Any, clips: int, name: str | None) -> None:
    folder = run_folder(data=data)
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    (folder / "scores.json").write_text(json.dumps(scores | {"clips": clips}), encoding="utf-8")
    run = read_run(folder)
    assert scored_on(run) == name
    assert comparable(run) == (name == "clotho/evaluation")


def test_an_ensemble_is_tested_on_what_its_members_are(run_folder: Made) -> None:
    folder = run_folder()
    member = folder / "member-1"
    member.mkdir()
    for name in ("recipe.json", "scores.json"):
        shutil.copy(folder / name, member / name)
    ensemble = {"system": "ensemble", "name": "both", "description": "d", "seed": 0}
    (folder / "recipe.json").write_text(json.dumps(ensemble), encoding="utf-8")
    run = read_run(folder)
    assert [one.name for one in run.members] == ["member-1"]
    assert run.members[0].scores is not None
    assert scored_on(run) == "clips/test"


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff"])
def test_a_damaged_recipe_is_named(run_folder: Made, text: bytes) -> None:
    folder = run_folder()
    (folder / "recipe.json").write_bytes(text)
    with pytest.raises(DataError, match=r"recipe\.json is damaged"):
        read_run(folder)
