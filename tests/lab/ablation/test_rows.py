from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")

from soundseek.errors import RecipeError
from soundseek.lab.ablation.rows import load_rows, row_list_names, systems_of
from soundseek.lab.systems import load_recipe

pytestmark = pytest.mark.lab

Rows = Callable[..., str]


def test_the_seven_rows_of_cpjku_are_their_recipes_with_the_figures_of_table_5() -> None:
    rows = load_rows("cpjku2022")
    systems = systems_of(rows, "cpjku2022/augmentations")
    assert len(systems) == 8
    assert not any(system.same_as for system in systems)
    for row, system in zip(rows.rows, systems, strict=True):
        assert row.recipe is not None
        recipe: Any = load_recipe(row.recipe)
        assert recipe.model_dump() == system.document
        assert dict(recipe.published.scores) == system.published
    table = {s.name: (s.published["mAP@10"], s.published_deviation) for s in systems}
    assert table == {
        "all": (0.2427, 0.0019),
        "no_audio_augmentation": (0.2374, 0.0016),
        "no_text_augmentation": (0.2291, 0.0008),
        "no_specaugment": (0.2353, 0.0020),
        "no_freq_mixstyle": (0.2362, 0.0014),
        "no_gain": (0.2405, 0.0026),
        "no_back_translation": (0.2343, 0.0018),
        "no_eda": (0.2327, 0.0003),
    }


@pytest.mark.parametrize("name", row_list_names())
def test_a_shipped_ablation_fits_the_recipe_it_is_of(name: str) -> None:
    rows = load_rows(name)
    assert rows.of is not None
    systems = systems_of(rows, rows.of)
    assert len(systems) == len(rows.rows)
    assert not any(system.same_as for system in systems)


def test_what_a_row_leaves_out_stays_out(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    audio = {"gain_db": 5.0, "spec_time_stripes": 2, "spec_band_stripes": 1}
    text = {"p_back_translation": 0.0}
    mine.write_text(yaml.safe_dump({"augment": {"audio": audio, "text": text}}))
    systems = systems_of(
        load_rows("cpjku2022"),
        "cpjku2022/augmentations",
        ["augment.text.p_eda=0.5", "augment.audio.gain_db=4.0"],
        [mine],
    )
    augment = {system.name: system.document["augment"] for system in systems}
    assert augment["all"]["audio"]["gain_db"] == 4.0
    assert augment["no_gain"]["audio"]["gain_db"] == 0.0
    assert augment["no_specaugment"]["audio"]["spec_time_stripes"] == 0
    assert augment["no_specaugment"]["audio"]["gain_db"] == 4.0
    assert augment["all"]["text"]["p_eda"] == 0.5
    assert augment["no_eda"]["text"]["p_eda"] == 0.0
    # Back translation is off in all of them: two rows are others by another name.
    same = {system.name: system.same_as for system in systems if system.same_as}
    assert same == {"no_back_translation": "all", "no_eda": "no_text_augmentation"}


def test_rows_may_be_tried_on_another_recipe(recipe_file: Path) -> None:
    systems = systems_of(load_rows("cpjku2022"), str(recipe_file), ["augment.audio.gain_db=2.0"])
    by_name = {system.name: system for system in systems}
    assert by_name["all"].document["audio"]["options"]["frontend"] == "panns_16k"
    assert by_name["no_gain"].document["augment"]["audio"]["gain_db"] == 0.0
    assert by_name["no_eda"].same_as == "all"


def test_differences_and_recipes_that_are_no_difference(rows_file: Rows, recipe_file: Path) -> None:
    rows = load_rows(
        rows_file(
            {"name": "whole", "published": {"mAP@10": 0.3}},
            {"name": "quiet", "title": "no gain", "difference": {"augment": {"audio": {}}}},
            {"name": "long", "difference": {"optimiser": {"epochs": 3}}},
            {"name": "other", "recipe": "cpjku2022/baseline"},
        )
    )
    systems = systems_of(rows, str(recipe_file), ["seed=5"])
    assert [system.title for system in systems] == ["whole", "no gain", "long", "other"]
    assert [system.same_as for system in systems] == [None, "whole", None, None]
    assert systems[0].published == {"mAP@10": 0.3}
    assert systems[2].published == {}
    assert systems[2].document["optimiser"]["epochs"] == 3
    assert systems[3].document["name"] == "cpjku2022/baseline"
    assert {system.document["seed"] for system in systems} == {5}


def test_all_problems_of_all_rows_are_told(rows_file: Rows, recipe_file: Path) -> None:
    path = rows_file(
        {"name": "whole"},
        {"name": "a", "difference": {"augment": {"text": {"p_ead": 0.0}}}},
        {"name": "b", "difference": {"optimiser": {"batch": 1}}},
        {"name": "c", "recipe": "cpjku2022/no_edda"},
    )
    with pytest.raises(RecipeError) as caught:
        systems_of(load_rows(path), str(recipe_file))
    message = str(caught.value)
    assert "row a" in message
    assert "did you mean 'p_eda'?" in message
    assert "optimiser.batch" in message
    assert "did you mean 'cpjku2022/no_eda'?" in message


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"name": "a"}], "at least two rows"),
        ([{"name": "a"}, {"name": "A"}], "two rows are called"),
        ([{"name": "a"}, {"name": "../b"}], "a row's name is a folder's"),
        ([{"name": "a"}, {"name": ".."}], "a row's name is a folder's"),
        ([{"name": "a"}, {"name": "b", "recipe": "x", "difference": {}}], "not both"),
        ([{"name": "a"}, {"name": "b", "diference": {}}], "did you mean 'difference'"),
    ],
)
def test_impossible_rows(rows_file: Rows, rows: list[Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_rows(rows_file(*rows))


def test_an_unknown_ablation_gives_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"no ablation 'cpjku22'\n.*'cpjku2022'\?"):
        load_rows("cpjku22")
