from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")

from soundseek.errors import RecipeError
from soundseek.lab.recipe_files import find_recipe, read_recipe_file
from soundseek.lab.search.space import Space, check_space, load_space, space_names
from soundseek.lab.systems import load_recipe, recipe_of

pytestmark = pytest.mark.lab


def space(**parameters: Any) -> Space:
    named = {key.replace("__", "."): value for key, value in parameters.items()}
    return Space.model_validate({"name": "mine", "parameters": named})


def written(folder: Path, **document: Any) -> str:
    path = folder / "space.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", **document}), encoding="utf-8")
    return str(path)


def check(given: Space, recipe: str = "cpjku2022/audioset") -> None:
    document = read_recipe_file(find_recipe(recipe))
    check_space(given, document, lambda one: recipe_of(one, recipe))


@pytest.mark.parametrize("name", space_names())
def test_a_shipped_space_fits_its_recipe(name: str) -> None:
    check(load_space(name), "cpjku2022/audioset")
    check(load_space(name), "cpjku2022/augmentations")


def test_the_ranges_of_cpjku_are_those_of_table_4() -> None:
    found = load_space("cpjku2022")
    ranges = {key.rpartition(".")[2]: one.ends for key, one in found.parameters.items()}
    assert ranges == {
        "p_eda": (0.0, 1.0),
        "p_synonym": (0.0, 0.3),
        "p_swap": (0.0, 0.3),
        "p_insert": (0.0, 0.3),
        "p_delete": (0.0, 0.3),
        "p_back_translation": (0.0, 1.0),
        "spec_band_stripes": (0, 1),
        "spec_band_width": (1, 32),
        "spec_time_stripes": (0, 8),
        "spec_time_width": (1, 64),
        "gain_db": (0, 6),
        "p_mixstyle": (0.0, 1.0),
        "mixstyle_alpha": (0.001, 1.0),
    }
    assert (found.random_starts, found.trials, found.patience) == (10, 110, 10)


def test_the_best_of_the_report_lies_in_the_space() -> None:
    best: Any = load_recipe("cpjku2022/search_best")
    for key, parameter in load_space("cpjku2022").parameters.items():
        value: Any = best
        for part in key.split("."):
            value = getattr(value, part)
        low, high = parameter.ends
        assert low <= value <= high, key  # type: ignore[operator]


def test_settings_may_be_changed_when_it_is_loaded() -> None:
    found = load_space("cpjku2022", random_starts=3, trials=None)
    assert (found.random_starts, found.trials) == (3, 110)


def test_unknown_names_and_keys_give_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no search space 'cpjku202'\n.*'cpjku2022'\?"):
        load_space("cpjku202")
    parameters = {"a.b": {"kind": "float", "low": 0.0, "hihg": 1.0}}
    with pytest.raises(RecipeError, match=r"high: Field required[\s\S]*mean 'high'"):
        load_space(written(tmp_path, parameters=parameters))
    with pytest.raises(RecipeError, match=r"did you mean 'trials'"):
        load_space(written(tmp_path, parameters=parameters, trails=3))


def test_every_key_and_range_is_held_against_the_recipe() -> None:
    wrong = space(
        augment__text__p_ead={"kind": "float", "low": 0.0, "high": 1.0},
        augment__text__p_swap={"kind": "float", "low": -0.1, "high": 0.3},
        augment__audio__mixstyle_alpha={"kind": "float", "low": 0.0, "high": 1.0},
        optimiser__kind={"kind": "choice", "choices": ["adam", "sgd"]},
        nowhere={"kind": "int", "low": 0, "high": 1},
    )
    with pytest.raises(RecipeError, match="the search space mine does not fit") as caught:
        check(wrong)
    message = str(caught.value)
    assert "did you mean 'p_eda'?" in message
    assert "augment.text.p_swap = -0.1" in message
    assert "augment.text.p_swap = 0.3" not in message
    assert "mixstyle_alpha = 0.0" in message
    assert "optimiser.kind = 'sgd'" in message
    assert "nowhere: unknown key" in message


def test_a_key_below_a_value_is_refused() -> None:
    document = read_recipe_file(find_recipe("cpjku2022/audioset"), ["seed=1"])
    given = space(seed__x={"kind": "int", "low": 0, "high": 1})
    with pytest.raises(RecipeError, match="seed is a value, not a section"):
        check_space(given, document, lambda one: recipe_of(one, "x"))


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"kind": "float", "low": 1.0, "high": 1.0}, "must be below high"),
        ({"kind": "float", "low": 0.0, "high": float("inf")}, "finite"),
        ({"kind": "float", "low": 0.0, "high": 1.0, "log": True}, "begins above 0"),
        ({"kind": "int", "low": 1, "high": 8, "log": True, "step": 2}, "exclude each other"),
        ({"kind": "int", "low": 0.5, "high": 8}, "integer"),
        ({"kind": "choice", "choices": ["a"]}, "at least two"),
        ({"kind": "choice", "choices": ["a", "a"]}, "each once"),
        ({"kind": "real", "low": 0, "high": 1}, "float"),
    ],
)
def test_impossible_ranges(tmp_path: Path, parameter: Any, message: str) -> None:
    path = written(tmp_path, parameters={"a.b": parameter})
    with pytest.raises(RecipeError, match=message):
        load_space(path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([], "at least one parameter"),
        (["a..b"], "is no key of a recipe"),
        (["a", "a.b"], "a.b is part of a"),
    ],
)
def test_impossible_keys(tmp_path: Path, keys: list[str], message: str) -> None:
    parameters = {key: {"kind": "int", "low": 0, "high": 1} for key in keys}
    with pytest.raises(RecipeError, match=message):
        load_space(written(tmp_path, parameters=parameters))


def test_choices_keep_their_kinds(tmp_path: Path) -> None:
    choices = [True, 1, 1.5, "x", None]
    given = {"a": {"kind": "choice", "choices": choices}}
    (found,) = load_space(written(tmp_path, parameters=given)).parameters.values()
    assert [(type(c), c) for c in found.ends] == [(type(c), c) for c in choices]
