from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from support.command_line import succeeded, typed

pytestmark = pytest.mark.lab

RECIPE = "cpjku2022/augmentations"


@pytest.mark.slow
def test_an_ablation_from_the_command_to_its_table(home: Path) -> None:
    rows = [
        {"name": "all"},
        {"name": "quiet", "difference": {"augment": {"audio": {"gain_db": 0}}}},
    ]
    (home / "rows.yaml").write_text(yaml.safe_dump({"name": "mine", "rows": rows}))
    words = ("ablate", RECIPE, "--rows", "rows.yaml", "--out", "ab", "--smoke", "--seeds", "3,1")
    out = json.loads(succeeded(*words, "--json"))
    assert out["seeds"] == [3, 1]
    assert [row["row"] for row in out["rows"]] == ["all", "quiet"]
    assert out["rows"][1]["difference"]["p"] <= 1.0
    assert out == json.loads((home / "ab" / "ablation.json").read_text(encoding="utf-8"))
    assert sorted(path.name for path in (home / "ab" / "quiet").iterdir()) == ["seed-1", "seed-3"]
    assert succeeded(*words).strip() == str(Path("ab") / "ablation.md")


@pytest.mark.slow
def test_a_failing_row_makes_the_exit_code_1(home: Path) -> None:
    difference = {"data": {"train": [{"manifest": "nowhere.parquet"}]}}
    rows = [{"name": "all"}, {"name": "broken", "difference": difference}]
    (home / "rows.yaml").write_text(yaml.safe_dump({"name": "mine", "rows": rows}))
    from soundseek.lab.retrieval.tiny import tiny
    from soundseek.lab.systems import load_recipe

    small = tiny(load_recipe(RECIPE), home / "sounds")  # type: ignore[arg-type]
    (home / "small.yaml").write_text(
        yaml.safe_dump(json.loads(small.model_dump_json())), encoding="utf-8"
    )
    words = ("ablate", "small.yaml", "--rows", "rows.yaml", "--out", "ab", "--seeds", "0")
    result = typed(*words, "--json")
    assert result.exit_code == 1
    out = json.loads(result.stdout)
    assert list(out["failures"]) == ["broken seed 0"]
    assert "nowhere.parquet" in out["failures"]["broken seed 0"]
    assert out["rows"][0]["seeds"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((RECIPE, "--rows", "cpjku22"), "did you mean 'cpjku2022'?"),
        (("cpjku2022/augmentation", "--rows", "cpjku2022"), "did you mean"),
        ((RECIPE, "--rows", "cpjku2022", "--seeds", "a,b"), "give whole numbers"),
        ((RECIPE, "--rows", "cpjku2022", "--seeds", "1,1"), "name each once"),
        ((RECIPE, "--rows", "cpjku2022", "--seeds", ""), "give whole numbers"),
        ((RECIPE, "optimiser.bacth=3", "--rows", "cpjku2022"), "did you mean 'batch'?"),
        ((RECIPE, "--rows", "one.yaml"), "at least two rows"),
    ],
)
def test_wrong_use_says_what_is_wrong(home: Path, words: tuple[str, ...], message: str) -> None:
    (home / "one.yaml").write_text("name: x\nrows: [{name: a}]\n", encoding="utf-8")
    result = typed("ablate", *words, "--out", "ab")
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not (home / "ab").exists()
