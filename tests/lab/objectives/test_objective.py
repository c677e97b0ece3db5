"""The table of terms, and their weighted sum."""

from __future__ import annotations

import subprocess
import sys
from types import MappingProxyType
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from soundseek.errors import DataError, RecipeError
from soundseek.lab.objectives.nt_xent import NtXent
from soundseek.lab.objectives.objective import Objective
from soundseek.lab.objectives.table import OBJECTIVES, ModelFacts, build_term
from soundseek.lab.objectives.triplets import TripletSum
from support.pair_batches import WIDTH, TinyFusing, pair_batch, vectors

pytestmark = pytest.mark.lab

PLAIN = ModelFacts(WIDTH, WIDTH, 6)


def fusing() -> ModelFacts:
    torch.manual_seed(0)
    return ModelFacts(WIDTH, WIDTH, 6, TinyFusing())


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_every_row_gives_a_scalar_that_teaches(name: str) -> None:
    facts = fusing()
    audio = pair_batch(range(5)).audio.requires_grad_()
    term = build_term(name, None, model_facts=facts)
    teachers = (vectors(9, 5)[0] @ vectors(9, 5)[1].T).float()
    value = term(pair_batch(range(5), audio=audio, correspondences=teachers))
    value.backward()
    assert value.shape == ()
    encoder: Any = facts.text_encoder
    taught = [audio.grad, encoder.words.weight.grad]
    assert sum(float(one.abs().sum()) for one in taught if one is not None) > 0


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_repeatable_for_the_same_generator(name: str) -> None:
    teachers = torch.eye(6)
    term = build_term(name, model_facts=fusing())
    first, again = (term(pair_batch([0, 1, 1, 2, 3, 4], correspondences=teachers)) for _ in "12")
    assert first == again


def test_options_reach_the_term() -> None:
    term = build_term("triplet_sum", MappingProxyType({"margin": 0.7}), model_facts=PLAIN)
    assert isinstance(term, TripletSum)
    assert term.margin == 0.7


def test_the_table_imports_no_term() -> None:
    code = (
        "import sys; import soundseek.lab.objectives.table; "
        "print([m for m in sys.modules if m.startswith('soundseek.lab.objectives.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['soundseek.lab.objectives.table']"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("triplet_rank", {}, "no objective is called 'triplet_rank'\n.*'triplet_ranking'"),
        ("nt_xent", {"temprature": 0.1}, "no option of nt_xent.*\n.*did you mean 'temperature'"),
        ("matching", {"model_facts": PLAIN}, "no option of matching is called 'model_facts'"),
        ("matching", {}, "matching needs a text encoder with cross-attention"),
        ("masked_lm", {}, "masked_lm needs a text encoder with cross-attention"),
    ],
)
def test_wrong_names_and_options(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build_term(name, options, model_facts=PLAIN)


def test_an_encoder_that_cannot_fuse_is_refused() -> None:
    without: Any = TinyFusing()
    without.cross_attention = False
    for lacking in (nn.Linear(2, 2), without):
        facts: Any = ModelFacts(WIDTH, WIDTH, 6, lacking)
        with pytest.raises(RecipeError, match="cross-attention"):
            build_term("matching", model_facts=facts)


def test_weighted_sum_of_unweighted_terms() -> None:
    objective = Objective(
        [("nt_xent", 1.0, {}), ("triplet_sum", 0.5, {}), ("nt_xent", 0, {"temperature": 0.2})],
        model_facts=PLAIN,
    )
    batch = pair_batch([0, 1, 2, 2])
    terms = objective(batch)
    assert list(terms) == ["nt_xent", "triplet_sum", "nt_xent_2"]
    torch.testing.assert_close(terms["nt_xent"], NtXent()(batch))
    torch.testing.assert_close(terms["nt_xent_2"], NtXent(temperature=0.2)(batch))
    torch.testing.assert_close(
        objective.total(terms), terms["nt_xent"] + 0.5 * terms["triplet_sum"]
    )


def test_the_text_encoder_is_not_part_of_the_state() -> None:
    facts = fusing()
    objective = Objective(
        [("nt_xent", 1.0, {"learnt": True}), ("matching", 1.0, {}), ("masked_lm", 1.0, {})],
        model_facts=facts,
    )
    names = set(objective.state_dict())
    assert "terms.nt_xent.log_scale" in names
    assert all(name.startswith(("terms.nt_xent.", "terms.matching.head.")) for name in names)
    encoder: Any = facts.text_encoder
    assert not {id(p) for p in objective.parameters()} & {id(p) for p in encoder.parameters()}
    assert encoder not in set(objective.modules())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_term_that_is_not_finite_is_named(value: float) -> None:
    objective = Objective(
        [("estimated_correspondences", 1.0, {}), ("nt_xent", 1.0, {})], model_facts=PLAIN
    )
    teachers = torch.eye(3).fill_diagonal_(value)
    with pytest.raises(DataError, match="not a finite loss: estimated_correspondences is nan"):
        objective(pair_batch([0, 1, 2], correspondences=teachers))


def test_all_problems_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        Objective(
            [
                ("nt_xnt", 1.0, {}),
                ("triplet_sum", -1.0, {}),
                ("triplet_hardest", 1.0, {"margin": -2}),
                ("nt_xent", 1.0, {}),
            ],
            model_facts=PLAIN,
        )
    for part in ("'nt_xnt'", "weight of triplet_sum is -1.0", "margin of triplet_hardest is -2"):
        assert part in str(caught.value)


@pytest.mark.parametrize("terms", [[], [("nt_xent", 0.0, {})]])
def test_nothing_to_train_on(terms: list[Any]) -> None:
    with pytest.raises(RecipeError, match=r"\d terms and none with a weight above 0"):
        Objective(terms, model_facts=PLAIN)
