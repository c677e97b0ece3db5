from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from soundseek.errors import DataError, RecipeError
from soundseek.lab.recipe_files import validated
from soundseek.lab.retrieval import ensemble
from soundseek.lab.retrieval.ensemble import EnsembleRecipe, combined, members_of, scaled
from soundseek.lab.retrieval.evaluation import run_similarities
from soundseek.lab.similarities import Similarities
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab

MakeClip = Callable[..., Any]
SCORES = arrays(np.float32, (4, 5), elements=st.integers(-3, 3).map(float))


def found(make_clip: MakeClip, scores: Any, names: str = "abcde") -> Similarities:
    clips = [make_clip(name) for name in names]
    queries = [f"q{i}" for i in range(len(scores))]
    return Similarities(queries, clips, np.asarray(scores, np.float32), np.zeros((4, 5), np.bool_))


@given(scores=st.lists(SCORES, min_size=1, max_size=4))
def test_an_ensemble_is_the_mean(make_clip: MakeClip, scores: list[Any]) -> None:
    mean = combined([found(make_clip, one) for one in scores], "none")
    np.testing.assert_allclose(mean.scores, np.mean(scores, axis=0), atol=1e-5)
    assert mean.queries == [f"q{i}" for i in range(4)]


@given(scores=st.lists(SCORES, min_size=2, max_size=3))
def test_by_z_score(make_clip: MakeClip, scores: list[Any]) -> None:
    mean = combined([found(make_clip, one) for one in scores], "zscore")
    naive = [(one - one.mean()) / (one.std() if one.std() > 0 else 1.0) for one in scores]
    np.testing.assert_allclose(mean.scores, np.mean(naive, axis=0), atol=1e-4)


@given(scores=SCORES)
def test_by_rank_equals_share_their_places(scores: Any) -> None:
    found = scaled(scores, "rank")
    for row, places in zip(scores, found, strict=True):
        for value, place in zip(row, places, strict=True):
            below = sum(other < value for other in row)
            equal = sum(other == value for other in row)
            assert place == pytest.approx((below + equal / 2) / 5)


def test_scales_bring_models_together(make_clip: MakeClip) -> None:
    """One of dot products in the hundreds does not outvote one of cosines."""
    loud = [[300.0, 100, 0, 0, 0]] * 4
    quiet = [[-0.1, 0.2, 0.0, 0.1, 0.05]] * 4
    both = [found(make_clip, one) for one in (loud, quiet)]
    assert combined(both, "none").scores[0].argmax() == 0
    assert combined(both, "rank").scores[0].argmax() == 1


def test_members_of_different_test_sets_are_refused(make_clip: MakeClip) -> None:
    one = found(make_clip, np.zeros((4, 5)))
    other_clips = found(make_clip, np.zeros((4, 5)), names="abcdx")
    other_order = found(make_clip, np.zeros((4, 5)), names="bacde")
    other_queries = Similarities(["x", *one.queries[1:]], one.clips, one.scores, one.relevant)
    for other in (other_clips, other_order, other_queries):
        with pytest.raises(DataError, match=r"different clips or captions\n.*data.test"):
            combined([one, other], "none")


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
    before = (folder / "scores.json").read_bytes()
    ensemble.train(recipe, folder, silent)
    assert (folder / "scores.json").read_bytes() == before


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
