from __future__ import annotations

from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch")

from pydantic import ValidationError

from soundseek.errors import RecipeError
from soundseek.lab.systems import load_recipe

pytestmark = pytest.mark.lab

LEAST = {
    "system": "distilled",
    "name": "test",
    "description": "the least that a recipe must say",
    "data": {"folder": "data"},
    "objective": {"nt_xent": 1.0},
    "optimiser": {"steps": 10, "learning_rate": 0.001},
}


def written(folder: Path, text: str) -> str:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture
def least(tmp_path: Path) -> str:
    return written(tmp_path, yaml.safe_dump(LEAST))


def test_a_recipe_by_path_has_defaults(least: str) -> None:
    recipe = load_recipe(least)
    assert recipe.optimiser.steps == 10
    assert recipe.seed == 0
    assert recipe.data.tiers == ("free",)
    assert recipe.augment.speed == 1.0
    assert recipe.run.threads is None


def test_overrides_reach_every_section_and_type(least: str) -> None:
    recipe = load_recipe(
        least,
        [
            "seed=7",
            "optimiser.learning_rate=2e-3",
            "data.tiers=[free, shared]",
            "audio.width=32",
            "run.threads=null",
            "data.folder=/a=b",
        ],
    )
    assert recipe.seed == 7
    assert recipe.optimiser.learning_rate == 0.002
    assert recipe.data.tiers == ("free", "shared")
    assert recipe.audio.width == 32
    assert recipe.data.folder == "/a=b"
    assert recipe.optimiser.steps == 10


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optimiser.steps", "write key.sub=value"),
        ("=3", "write key.sub=value"),
        ("seed.deep=3", "seed is a value, not a section"),
        ("data.tiers=[free", "is not YAML"),
        ("optimiser.steps=many", r"optimiser\.steps: .*'many'"),
        ("optimizer.steps=3", "optimizer: unknown key; did you mean 'optimiser'"),
    ],
)
def test_a_bad_override_is_refused(least: str, override: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe(least, ["seed=1", override])


def test_an_unknown_key_names_the_nearest_of_its_section(tmp_path: Path) -> None:
    document = LEAST | {"audio": {"multiplyer": 1.0}, "agument": {}}
    with pytest.raises(RecipeError) as caught:
        load_recipe(written(tmp_path, yaml.safe_dump(document)))
    message = str(caught.value)
    assert "audio.multiplyer: unknown key; did you mean 'multiplier'? Known here: multiplier" in (
        message
    )
    assert "agument: unknown key; did you mean 'augment'?" in message


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    document = LEAST | {
        "seed": "x",
        "audio": {"dropout": 1.5},
        "optimiser": {"steps": 0},
    }
    with pytest.raises(RecipeError) as caught:
        load_recipe(written(tmp_path, yaml.safe_dump(document)))
    lines = str(caught.value).splitlines()[1:]
    assert len(lines) == 4
    for line, (where, value) in zip(
        sorted(lines),
        [
            ("audio.dropout", "1.5"),
            ("optimiser.learning_rate", "Field required"),
            ("optimiser.steps", "0"),
            ("seed", "'x'"),
        ],
        strict=True,
    ):
        assert line.startswith(f"  - {where}: ")
        assert value in line


@pytest.mark.parametrize(
    ("text", "said"),
    [("[1, 2]", "mapping, not list"), ("", "mapping, not NoneType"), ("a: [", "is not YAML")],
)
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe(written(tmp_path, text))


def test_yaml_does_not_run_code(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="is not YAML"):
        load_recipe(written(tmp_path, "name: !!python/object/apply:os.getcwd []"))


def test_an_unknown_recipe_lists_the_nearest_and_all() -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'soundseek/mimi'\n.*'soundseek/mini'\?"):
        load_recipe("soundseek/mimi")


def test_a_recipe_does_not_change(least: str) -> None:
    recipe = load_recipe(least)
    with pytest.raises(ValidationError, match="frozen"):
        recipe.seed = 3  # type: ignore[misc]
