"""Which parts are trained, from when on, and how fast."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from lightning_fabric import Fabric
from torch import nn

from soundseek.errors import DataError, RecipeError
from soundseek.lab.retrieval import stage as staging
from soundseek.lab.retrieval import train
from soundseek.lab.retrieval.build import build_model, build_objective
from soundseek.lab.retrieval.learner import Learner
from soundseek.lab.training.parameters import Thaw, make_optimiser, part_names
from soundseek.lab.training.settings import Optimiser
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab

RecipeOf = Callable[..., Any]
TEXTS = ["rain on a roof", "wind"]


def groups_of(recipe: Any) -> tuple[Any, Any, torch.optim.Optimizer]:
    model = build_model(recipe, TEXTS)
    objective = build_objective(recipe, model)
    learner = Learner(model, objective, recipe.augment.audio, Fabric(accelerator="cpu", devices=1))
    return model, objective, make_optimiser(recipe.optimiser, learner)


def test_the_optimiser_has_every_trainable_parameter_once(
    document: Document, recipe_of: RecipeOf
) -> None:
    recipe = recipe_of(
        document,
        text={"encoder": "bert", "options": {"intermediate": 32}},
        audio={"projection": [6]},
        objective=[
            {"term": "nt_xent", "options": {"learnt": True}},
            {"term": "matching"},
            {"term": "masked_lm"},
        ],
        optimiser={"weight_decay": 0.1, "audio_rate": 0.1, "text_rate": 0.5},
    )
    model, objective, optimiser = groups_of(recipe)
    given = [id(p) for group in optimiser.param_groups for p in group["params"]]
    wanted = {id(p) for module in (model, objective) for p in module.parameters()}
    assert len(given) == len(set(given))
    assert set(given) == wanted
    peaks = {id(p): group["peak"] for group in optimiser.param_groups for p in group["params"]}
    rate = recipe.optimiser.learning_rate
    for module, factor in (
        (model.audio.encoder, 0.1),
        (model.text.encoder, 0.5),
        (model.audio.projection, 1.0),
        (model.text.projection, 1.0),
        (objective, 1.0),
    ):
        for parameter in module.parameters():
            assert peaks[id(parameter)] == rate * factor


def test_norms_and_biases_do_not_decay(document: Document, recipe_of: RecipeOf) -> None:
    recipe = recipe_of(
        document,
        objective=[{"term": "nt_xent", "options": {"learnt": True}}],
        optimiser={"weight_decay": 0.1},
    )
    model, objective, optimiser = groups_of(recipe)
    decay = {
        id(p): group["weight_decay"] for group in optimiser.param_groups for p in group["params"]
    }
    seen = set()
    for module in (*model.modules(), *objective.modules()):
        for name, parameter in module.named_parameters(recurse=False):
            norm = isinstance(module, nn.BatchNorm2d | nn.LayerNorm)
            spared = norm or name.endswith("bias") or parameter.ndim == 0
            assert decay[id(parameter)] == (0.0 if spared else 0.1), (module, name)
            seen.add((type(module).__name__, name))
    assert {("BatchNorm2d", "weight"), ("Conv2d", "weight"), ("Linear", "bias")} <= seen


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_a_frozen_side_is_not_in_the_optimiser(
    document: Document, recipe_of: RecipeOf, kind: str
) -> None:
    recipe = recipe_of(document, audio={"frozen": True}, optimiser={"kind": kind})
    model, _, optimiser = groups_of(recipe)
    given = {id(p) for group in optimiser.param_groups for p in group["params"]}
    assert not given & {id(p) for p in model.audio.encoder.parameters()}
    assert {id(p) for p in model.audio.projection.parameters()} <= given
    assert type(optimiser).__name__ == {"adam": "Adam", "adamw": "AdamW"}[kind]


def test_nothing_to_train_is_told(document: Document, recipe_of: RecipeOf) -> None:
    recipe = recipe_of(
        document,
        audio={"frozen": True, "projection": None},
        text={"frozen": True, "projection": None, "options": {"width": 8}},
        space={"dimension": None},
    )
    with pytest.raises(DataError, match=r"nothing to train\n.*free an encoder"):
        groups_of(recipe)


class Parts(nn.Module):
    """What Thaw and the optimiser see of a model: names like those of a `Learner`."""

    def __init__(self) -> None:
        super().__init__()
        self.audio = nn.ModuleDict(
            {
                "encoder": nn.ModuleDict(
                    {
                        "block1": nn.Linear(2, 2),
                        "block10": nn.Linear(2, 2),
                        "norm": nn.BatchNorm1d(2),
                    }
                ),
                "projection": nn.Linear(2, 2),
            }
        )
        self.text = nn.ModuleDict({"encoder": nn.Linear(2, 2), "projection": nn.Linear(2, 2)})


def settings_of(**named: Any) -> Optimiser:
    return Optimiser.model_validate({"learning_rate": 0.01, "epochs": 4, "batch": 4, **named})


def peaks(recipe: Any, parts: nn.Module) -> dict[str, float]:
    optimiser = make_optimiser(recipe.optimiser, parts)
    of = {id(p): group["peak"] for group in optimiser.param_groups for p in group["params"]}
    return {name: of[id(p)] for name, p in parts.named_parameters() if id(p) in of}


def test_the_longest_name_that_fits_gives_the_rate(document: Document, recipe_of: RecipeOf) -> None:
    recipe = recipe_of(
        document,
        optimiser={
            "learning_rate": 0.01,
            "audio_rate": 0.5,
            "text_rate": 0.2,
            "rates": {"audio": 0.1, "audio.encoder.block1": 2.0, "audio.encoder.block1.bias": 3.0},
        },
    )
    found = peaks(recipe, Parts())
    assert found["audio.encoder.block1.weight"] == pytest.approx(0.02)
    assert found["audio.encoder.block1.bias"] == pytest.approx(0.03)
    # A name fits up to a dot: block10 is not of block1.
    assert found["audio.encoder.block10.weight"] == pytest.approx(0.001)
    assert found["audio.projection.weight"] == pytest.approx(0.001)
    assert found["text.encoder.weight"] == pytest.approx(0.002)
    assert found["text.projection.weight"] == pytest.approx(0.01)


@pytest.mark.parametrize("key", ["rates", "frozen_epochs"])
@pytest.mark.parametrize(
    ("part", "near"),
    [("audio.encodr", "audio.encoder"), ("text.projektion", "text.projection")],
)
def test_a_part_that_is_not_there_is_told_with_the_nearest(
    document: Document, recipe_of: RecipeOf, key: str, part: str, near: str
) -> None:
    recipe = recipe_of(document, optimiser={key: {part: 1.0}})
    with pytest.raises(RecipeError, match=rf"optimiser.{key}: .*'{part}'\n.*mean '{near}'.*parts"):
        groups_of(recipe)
    assert near in part_names(Parts())


def trained(parts: nn.Module) -> set[str]:
    return {name for name, parameter in parts.named_parameters() if parameter.requires_grad}


def test_parts_thaw_when_their_time_has_come() -> None:
    parts = Parts()
    parts.audio["encoder"]["block10"].requires_grad_(False)  # type: ignore[index]
    everything = trained(parts)
    thaw = Thaw(
        parts,
        settings_of(
            frozen_epochs={
                "audio": 1,
                "audio.encoder.block1": 2.5,
                "audio.encoder.block10": 1,
                "text.encoder": None,
                "audio.projection": 0,
            }
        ),
    )
    first = {"audio.encoder.norm.weight", "audio.encoder.norm.bias"}
    second = {"audio.encoder.block1.weight", "audio.encoder.block1.bias"}
    never = {"text.encoder.weight", "text.encoder.bias"}
    assert thaw.at(0.0)
    assert trained(parts) == everything - first - second - never
    assert not thaw.at(0.9)
    assert thaw.at(1.0)
    # What was frozen from elsewhere stays so.
    assert trained(parts) == everything - second - never
    assert not thaw.at(2.4)
    assert thaw.at(2.5)
    assert trained(parts) == everything - never
    assert not thaw.at(1000.0)


def test_norms_of_frozen_parts_rest() -> None:
    parts = Parts()
    thaw = Thaw(parts, settings_of(frozen_epochs={"audio.encoder.norm": 1}))
    norm = parts.get_submodule("audio.encoder.norm")
    for epoch, rests in ((0.0, True), (0.5, True), (1.0, False)):
        thaw.at(epoch)
        parts.train()
        thaw.rest()
        assert norm.training is not rests
        assert parts.get_submodule("text.encoder").training


def test_frozen_throughout_is_not_in_the_optimiser(document: Document, recipe_of: RecipeOf) -> None:
    frozen = {"audio.encoder": None, "text.encoder": 2}
    recipe = recipe_of(document, optimiser={"frozen_epochs": frozen})
    model, _, optimiser = groups_of(recipe)
    given = {id(p) for group in optimiser.param_groups for p in group["params"]}
    assert not given & {id(p) for p in model.audio.encoder.parameters()}
    assert {id(p) for p in model.text.encoder.parameters()} <= given


@pytest.fixture
def courses(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], int]]:
    """Filled by a training: before each step, the model's state and how many parameters Adam has a
    state of."""
    seen: list[tuple[dict[str, Any], int]] = []
    real = staging.Stage._learn

    def watched(self: Any, lessons: Any) -> Any:
        state = {name: value.clone() for name, value in self.model.state_dict().items()}
        seen.append((state, len(self.optimiser.state)))
        return real(self, lessons)

    monkeypatch.setattr(staging.Stage, "_learn", watched)
    return seen


def changes(before: dict[str, Any], after: dict[str, Any], start: str) -> set[str]:
    return {k for k in before if k.startswith(start) and not before[k].equal(after[k])}


def test_a_frozen_part_is_bit_for_bit_the_same_until_it_thaws(
    document: Document,
    recipe_of: RecipeOf,
    tmp_path: Path,
    courses: list[tuple[dict[str, Any], int]],
) -> None:
    """Five steps an epoch: the sound encoder's batch norms do not move either."""
    recipe = recipe_of(
        document,
        optimiser={
            "epochs": 3,
            "max_steps": 11,
            "weight_decay": 0.1,
            "frozen_epochs": {"audio.encoder": 1, "text.encoder": None, "text.projection": 1.4},
        },
    )
    train.train(recipe, tmp_path, silent)
    states = [state for state, _ in courses]
    assert not changes(states[0], states[5], "audio.encoder.")
    assert not changes(states[0], states[7], "text.projection.")
    assert not changes(states[0], states[10], "text.encoder.")
    assert changes(states[0], states[1], "audio.projection.")
    moved = changes(states[5], states[6], "audio.encoder.")
    assert any("running_mean" in name for name in moved)
    assert any(name.endswith("conv1.weight") for name in moved)
    assert changes(states[7], states[8], "text.projection.")
    # Adam knows nothing of a part before it thaws.
    counts = [count for _, count in courses]
    assert counts[0] == 0
    assert counts[1] == counts[5] < counts[6] == counts[7] < counts[8] == counts[10]


def test_a_stage_begins_with_everything_free(
    document: Document,
    recipe_of: RecipeOf,
    tmp_path: Path,
    courses: list[tuple[dict[str, Any], int]],
) -> None:
    """What frozen_epochs of the stage before held back is trained in the next."""
    frozen = {"audio.projection": None, "text.projection": 9, "text.encoder": None}
    stages = [
        {"stage": "a", "optimiser": {"frozen_epochs": frozen}},
        {"stage": "b", "optimiser": {"frozen_epochs": {"text.encoder": None}}},
    ]
    recipe = recipe_of(document, stages=stages, optimiser={"max_steps": 2, "epochs": 1})
    train.train(recipe, tmp_path, silent)
    (first, _), (second, _), (third, _), (fourth, _) = courses
    for start in frozen:
        assert not changes(first, second, start)
    for start, moves in (("audio.projection", 1), ("text.projection", 1), ("text.encoder", 0)):
        assert bool(changes(third, fourth, start)) == bool(moves), start


def test_parts_that_an_encoder_freezes_itself_stay_frozen(
    document: Document, recipe_of: RecipeOf
) -> None:
    recipe = recipe_of(document, optimiser={"frozen_epochs": {"audio.encoder": 1}})
    model, objective, _ = groups_of(recipe)
    own = next(iter(model.audio.encoder.parameters()))
    own.requires_grad_(False)
    learner = Learner(model, objective, recipe.augment.audio, Fabric(accelerator="cpu", devices=1))
    thaw = Thaw(learner, recipe.optimiser)
    thaw.at(0.0)
    thaw.at(math.inf)
    assert not own.requires_grad
    assert all(p.requires_grad for p in model.audio.encoder.parameters() if p is not own)
