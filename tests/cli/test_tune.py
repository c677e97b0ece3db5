from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")
pytest.importorskip("optuna")
pytest.importorskip("matplotlib")

from support.command_line import succeeded, typed

pytestmark = pytest.mark.lab

TUNE = ("tune", "cpjku2022/audioset", "--space", "cpjku2022", "--study", "study", "--smoke")


@pytest.mark.slow
def test_a_search_from_the_command_to_a_recipe(home: Path) -> None:
    out = json.loads(succeeded(*TUNE, "--trials", "2", "--random-starts", "1", "--json"))
    assert out["trials"] == {"complete": 2, "ended_early": 0, "failed": 0, "under_way": 0}
    assert out["figure"] == "mAP@10"
    assert 0.0 < out["best"]["value"] <= 1.0
    with (home / "study" / "trials.csv").open(newline="", encoding="utf-8") as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["complete"] * 2
    shown = yaml.safe_load(succeeded("recipes", "show", "study/best.yaml"))
    assert shown["augment"]["audio"]["gain_db"] == out["best"]["values"]["augment.audio.gain_db"]
    # The report alone: nothing is trained, the same is told.
    again = json.loads(succeeded(*TUNE, "--report", "--json", "--trials", "9"))
    assert again == out
    refused = typed("tune", "cpjku2022/audioset", "--space", "cpjku2022", "--study", "study")
    assert refused.exit_code == 2
    assert "is of another recipe or search space" in refused.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--space": "cpjku202"}, "did you mean 'cpjku2022'?"),
        ({"recipe": "cpjku2022/audioste"}, "did you mean 'cpjku2022/audioset'?"),
        ({"--trials": "0"}, "'--trials'"),
        ({"--jobs": "0"}, "'--jobs'"),
        ({"--with": "none.yaml"}, "does not exist"),
        ({"--storage": "nonsense"}, "no database URL"),
        ({"--space": "empty.yaml"}, "must hold a mapping"),
        ({"--space": "latin.yaml"}, "is not YAML"),
        ({"--space": "keys.yaml"}, "did you mean 'gain_db'?"),
    ],
)
def test_wrong_use_says_what_is_wrong(home: Path, changes: dict[str, str], message: str) -> None:
    (home / "empty.yaml").write_text("", encoding="utf-8")
    (home / "latin.yaml").write_bytes("name: Prüfung".encode("latin-1"))
    wrong = {"augment.audio.gain_bd": {"kind": "int", "low": 0, "high": 1}}
    (home / "keys.yaml").write_text(yaml.safe_dump({"name": "x", "parameters": wrong}))
    options: dict[str, Any] = {"--space": "cpjku2022", "--study": "study", **changes}
    recipe = options.pop("recipe", "cpjku2022/audioset")
    result = typed("tune", recipe, *(word for option in options.items() for word in option))
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
