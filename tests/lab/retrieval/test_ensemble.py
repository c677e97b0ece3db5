from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("torch")

from soundseek.errors import DataError, RecipeError
from soundseek.lab.ensembling.ensemble import Settings
from soundseek.lab.ensembling.ensemble import ensemble as join_folders
from soundseek.lab.ensembling.join import joined
from soundseek.lab.recipe_files import validated
from soundseek.lab.retrieval import ensemble
from soundseek.lab.retrieval.ensemble import EnsembleRecipe, members_of
from soundseek.lab.retrieval.evaluation import run_similarities
from soundseek.lab.similarities import Similarities, open_similarities
from soundseek.lab.systems import similarities
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab


@pytest.fixture
def member(document: Document, tmp_path: Path) -> str:
    """The path of a recipe's file."""
    document["audio"]["options"]["channels"] = [2, 4, 4, 8]
    path = tmp_path / "member.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(path)


def recipe_of_members(members: list[Document], **more: Any) -> EnsembleRecipe:
    return EnsembleRecipe.model_validate(
        {"system": "ensemble", "name": "e", "description": "d", "members": members} | more
    )


def test_members_are_named_by_seed_and_fold(member: str) -> None:
    members = [
        {"recipe": member, "seeds": [1, 2]},
        {"recipe": member, "folds": 2, "difference": {"name": "other/name", "audio": {"max_s": 2}}},
    ]
    difference = {"optimiser": {"max_steps": 1}, "audio": {"max_s": 1.0}}
    made = members_of(recipe_of_members(members, difference=difference))
    assert [one.name for one in made] == [
        "test-tiny-seed1",
        "test-tiny-seed2",
        "other-name-seed3-fold0",
        "other-name-seed3-fold1",
    ]
    assert [one.recipe.seed for one in made] == [1, 2, 3, 3]
    assert [(one.recipe.data.folds, one.recipe.data.fold) for one in made] == [
        (None, 0),
        (None, 0),
        (2, 0),
        (2, 1),
    ]
    # The ensemble's own difference comes last.
    assert {one.recipe.audio.max_s for one in made} == {1.0}
    assert {one.recipe.optimiser.max_steps for one in made} == {1}


def test_members_of_one_name_are_refused_before_anything_is_trained(
    member: str, tmp_path: Path
) -> None:
    members = [{"recipe": member}, {"recipe": member, "difference": {"audio": {"max_s": 2}}}]
    with pytest.raises(RecipeError, match=r"two members are called test-tiny-seed3\n.*name"):
        ensemble.train(recipe_of_members(members), tmp_path / "run", silent)
    assert not list((tmp_path / "run").glob("test-tiny*"))


def test_a_member_that_does_not_load_names_itself(member: str) -> None:
    members = [{"recipe": member, "difference": {"optimizer": {}}}]
    with pytest.raises(RecipeError, match=r"e: test-tiny-seed3:\n.*optimizer.*'optimiser'"):
        members_of(recipe_of_members(members))


def test_an_ensemble_is_trained_scored_and_resumed(
    member: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of_members(
        [{"recipe": member, "seeds": [1, 2]}],
        scale="zscore",
        difference={"optimiser": {"max_steps": 2}},
    )
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        real, trained = ensemble.train_member, 0

        def interrupted(*arguments: Any, **named: Any) -> Any:
            nonlocal trained
            trained += 1
            if trained == 2:
                raise KeyboardInterrupt
            return real(*arguments, **named)

        patch.setattr(ensemble, "train_member", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ensemble.train(recipe, folder, silent)
    assert ensemble.train(recipe, folder, silent) == folder / "scores.json"
    told = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    members = [run_similarities(folder / f"test-tiny-seed{seed}", silent) for seed in (1, 2)]
    assert not np.array_equal(members[0].scores, members[1].scores)
    naive = np.mean([(m.scores - m.scores.mean()) / m.scores.std() for m in members], axis=0)
    expected = Similarities(
        members[0].queries, members[0].clips, naive.astype(np.float32), members[0].relevant
    )
    assert told["metrics"]["mAP@10"]["value"] == round(expected.metrics()["mAP@10"].value, 5)
    assert told["n"] == 15
    ensemble_told = json.loads((folder / "ensemble.json").read_text(encoding="utf-8"))
    assert ensemble_told["metrics"] == told["metrics"]
    assert [m["path"] for m in ensemble_told["members"]] == ["test-tiny-seed1", "test-tiny-seed2"]
    before = (folder / "scores.json").read_bytes()
    ensemble.train(recipe, folder, silent)
    assert (folder / "scores.json").read_bytes() == before


def test_members_are_selected_on_their_validation_clips(member: str, tmp_path: Path) -> None:
    recipe = recipe_of_members(
        [{"recipe": member, "seeds": [1, 2]}],
        select="greedy",
        figure="R@5",
        scale="rank",
        difference={"optimiser": {"max_steps": 2}},
    )
    folder = tmp_path / "run"
    ensemble.train(recipe, folder, silent)
    told = json.loads((folder / "ensemble.json").read_text(encoding="utf-8"))
    assert told["selection"]["figure"] == "R@5"
    names = ["test-tiny-seed1", "test-tiny-seed2"]
    weights = [member["weight"] for member in told["members"]]
    for part in ("test", "validation"):
        parts = {name: similarities(folder / name, part=part, say=silent) for name in names}
        expected = joined(parts, scale="rank", weights=weights).similarities()
        kept = open_similarities(folder / "similarities" / part)
        assert np.array_equal(kept.scores, expected.scores)
    # What the recipe's run leaves can be a member.
    two = [folder, folder / names[0]]
    again = join_folders(two, tmp_path / "again", Settings(greedy=True), say=silent)
    assert again["members"][0]["metrics"] == told["metrics"]


def test_folds_cannot_be_selected_among(member: str, tmp_path: Path) -> None:
    recipe = recipe_of_members(
        [{"recipe": member, "folds": 2}],
        select="greedy",
        difference={"optimiser": {"max_steps": 1}},
    )
    with pytest.raises(DataError, match=r"fold1 lacks \d+ of the \d+ clips of .*fold0"):
        ensemble.train(recipe, tmp_path / "run", silent)


def test_a_figure_that_is_none(member: str) -> None:
    document = {"system": "ensemble", "name": "e", "description": "d", "figure": "mAP@11"}
    with pytest.raises(RecipeError, match=r"figure: no figure is called 'mAP@11'"):
        validated(EnsembleRecipe, document | {"members": [{"recipe": member}]}, "e")


def test_an_ensemble_has_members(member: str) -> None:
    for members, said in (
        ([], r"members: name at least one member"),
        ([{"recipe": member, "seed": 1}], r"members.0.seed: unknown key; did you mean 'seeds'"),
    ):
        document = {"system": "ensemble", "name": "e", "description": "d", "members": members}
        with pytest.raises(RecipeError) as caught:
            validated(EnsembleRecipe, document, "e")
        (_, line) = caught.value.message.splitlines()
        assert said in line


@pytest.fixture
def read_member(document: Document, synthetic: Path, tmp_path: Path) -> str:
    """The path of a recipe that compares captions."""
    lines = [json.loads(line) for line in (synthetic / "clips.jsonl").read_text().splitlines()]
    captions = tmp_path / "generated.csv"
    rows = [f'{line["id"]},"{line["captions"][0]}"' for line in lines]
    captions.write_text("\n".join(["id,caption", *rows]) + "\n", encoding="utf-8")
    recipe = {"system": "caption_match", "name": "test/read", "description": "d"}
    recipe |= {"data": {"test": document["data"]["test"]}, "compare": "bm25"}
    path = tmp_path / "read.yaml"
    path.write_text(yaml.safe_dump(recipe | {"captions": str(captions)}), encoding="utf-8")
    return str(path)


def test_a_member_may_compare_captions(member: str, read_member: str, tmp_path: Path) -> None:
    heard = {"recipe": member, "difference": {"optimiser": {"max_steps": 2}}}
    recipe = recipe_of_members([heard, {"recipe": read_member}], scale="zscore")
    folder = tmp_path / "run"
    assert ensemble.train(recipe, folder, silent) == folder / "scores.json"
    told = json.loads((folder / "ensemble.json").read_text(encoding="utf-8"))
    assert [one["path"] for one in told["members"]] == ["test-tiny-seed3", "test-read-seed0"]
    parts = {one["path"]: similarities(folder / one["path"], say=silent) for one in told["members"]}
    expected = joined(parts, scale="zscore").similarities()
    kept = open_similarities(folder / "similarities" / "test")
    assert np.array_equal(kept.scores, expected.scores)
    assert told["metrics"]["mAP@10"]["value"] > told["members"][0]["metrics"]["mAP@10"]["value"]


def test_what_compares_captions_has_no_validation_clips(
    member: str, read_member: str, tmp_path: Path
) -> None:
    """Told before anything is trained."""
    for members, more in (
        ([{"recipe": member}, {"recipe": read_member}], {"select": "greedy"}),
        ([{"recipe": member}, {"recipe": read_member, "folds": 2}], {}),
    ):
        with pytest.raises(RecipeError, match=r"test-read-seed0.* compares captions, and has no"):
            ensemble.train(recipe_of_members(members, **more), tmp_path / "run", silent)
    assert not (tmp_path / "run" / "test-tiny-seed3").exists()
