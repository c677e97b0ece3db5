"""Recipes that are another one and a difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from soundseek.errors import RecipeError
from soundseek.lab.recipe_files import (
    RECIPES,
    difference_between,
    difference_over,
    merged,
    read_recipe_file,
    with_values,
)
from soundseek.lab.systems import load_recipe

pytestmark = pytest.mark.lab


def written(folder: Path, stem: str, **document: Any) -> str:
    path = folder / f"{stem}.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(path)


def test_merging_goes_key_by_key_and_replaces_everything_else() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1, "e": {"f": 2}}
    difference = {"a": {"c": [3]}, "d": {"x": 1}, "e": None, "g": 4}
    assert merged(base, difference) == {
        "a": {"b": 1, "c": [3]},
        "d": {"x": 1},
        "e": None,
        "g": 4,
    }
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 1, "e": {"f": 2}}


def test_a_recipe_extends_another_through_a_third(tmp_path: Path) -> None:
    first = written(tmp_path, "first", name="first", audio={"a": 1, "b": 2}, seed=1)
    second = written(tmp_path, "second", extends=first, name="second", audio={"b": 3})
    third = written(tmp_path, "third", extends=second, audio={"c": 4})
    document = read_recipe_file(Path(third), ["audio.a=9"])
    assert document == {"name": "second", "audio": {"a": 9, "b": 3, "c": 4}, "seed": 1}


def test_a_shipped_recipe_may_be_extended(tmp_path: Path) -> None:
    path = written(tmp_path, "mine", extends="soundseek/mini", name="mine", seed=5)
    recipe: Any = load_recipe(path)
    shipped: Any = load_recipe("soundseek/mini")
    assert (recipe.name, recipe.seed) == ("mine", 5)
    assert recipe.optimiser == shipped.optimiser
    assert (RECIPES / "soundseek/mini.yaml").is_file()


def test_recipes_that_extend_each_other(tmp_path: Path) -> None:
    first = tmp_path / "first.yaml"
    second = written(tmp_path, "second", extends=str(first))
    written(tmp_path, "first", extends=second)
    for path in (first, Path(second)):
        with pytest.raises(
            RecipeError, match=r"extend each other: (first → second → first|second →)"
        ):
            read_recipe_file(path)
    itself = tmp_path / "itself.yaml"
    written(tmp_path, "itself", extends=str(itself))
    with pytest.raises(RecipeError, match="extend each other: itself → itself"):
        read_recipe_file(itself)


def test_extending_what_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, "mine", extends="soundseek/minni")
    with pytest.raises(RecipeError, match=r"no recipe 'soundseek/minni'\n.*'soundseek/mini'\?"):
        read_recipe_file(Path(path))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"name: \xff\xfe\x00\xd8")
    with pytest.raises(RecipeError, match="is not YAML"):
        read_recipe_file(path)


def test_overrides_reach_places_in_lists(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("stages: [{a: {b: 1}}, {a: {b: 2}}]\n", encoding="utf-8")
    document = read_recipe_file(path, ["stages.1.a.b=5", "stages.0={c: 3}"])
    assert document == {"stages": [{"c": 3}, {"a": {"b": 5}}]}
    for override in ("stages.2.a.b=1", "stages.x.a=1", "stages.-1=1"):
        with pytest.raises(RecipeError, match=r"no place in a list of 2\n.*0 to 1"):
            read_recipe_file(path, [override])


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["x", "y"]))
KEYS = st.sampled_from(["a", "b", "encoder", "options"])
MAPPINGS = st.dictionaries(
    KEYS,
    st.recursive(
        st.one_of(SCALARS, st.lists(SCALARS, max_size=2)),
        lambda inner: st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=6,
    ),
)


@given(MAPPINGS, MAPPINGS)
def test_a_difference_is_what_merging_undoes(base: dict[str, Any], changes: dict[str, Any]) -> None:
    full = merged(base, changes)
    assert merged(base, difference_between(base, full)) == full
    assert difference_between(full, full) == {}


def test_options_go_with_their_encoder() -> None:
    base = {"audio": {"encoder": "a", "options": {"x": 1, "y": 2}, "frozen": True}}
    same = merged(base, {"audio": {"encoder": "a", "options": {"x": 3}}})
    assert same["audio"]["options"] == {"x": 3, "y": 2}
    other = merged(base, {"audio": {"encoder": "b", "options": {"y": 2, "z": 1}}})
    assert other["audio"] == {"encoder": "b", "options": {"y": 2, "z": 1}, "frozen": True}
    assert "options" not in merged(base, {"audio": {"encoder": "b"}})["audio"]
    assert merged(base, difference_between(base, other)) == other


def test_values_are_set_at_dotted_keys_of_a_copy() -> None:
    document: dict[str, Any] = {"a": {"b": 1}, "list": [{"c": 1}]}
    changed = with_values(document, {"a.b": 2, "list.0.c": 3, "new.key": "x=y"})
    assert changed == {"a": {"b": 2}, "list": [{"c": 3}], "new": {"key": "x=y"}}
    assert document == {"a": {"b": 1}, "list": [{"c": 1}]}
    with pytest.raises(RecipeError, match=r"list\.7\.c: '7' is no place in a list of 1"):
        with_values(document, {"list.7.c": 1})


def test_what_a_recipe_changes_of_another(tmp_path: Path) -> None:
    first = written(tmp_path, "first", audio={"a": 1, "b": 2})
    second = written(tmp_path, "second", extends=first, audio={"b": 3, "c": 4}, seed=1)
    third = written(tmp_path, "third", extends=second, audio={"c": 5})
    assert difference_over(third, first) == {"audio": {"b": 3, "c": 5}, "seed": 1}
    assert difference_over(third, second) == {"audio": {"c": 5}}
    assert difference_over(first, first) == {}
    assert difference_over(first, third) is None
    loop = written(tmp_path, "loop", extends=str(tmp_path / "loop.yaml"))
    with pytest.raises(RecipeError, match="extend each other: loop → loop"):
        difference_over(loop, first)
