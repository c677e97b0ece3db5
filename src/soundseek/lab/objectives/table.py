"""Objectives: the table of all terms. A row names its class, imported when it is asked for.

Every class is a `torch.nn.Module` that takes a `PairBatch` and gives a scalar; the options of its
constructor are those of the recipe. The loss itself is a function beside it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from torch import nn

from soundseek.lab.choices import chosen, placed
from soundseek.lab.text_encoders import FusingTextEncoder

_HERE = "soundseek.lab.objectives"


@dataclass(frozen=True)
class ModelFacts:
    """What a term may need to know of the model that it trains.

    Attributes:
        audio_width, text_width: of the encoders' sequences.
        dimension: of the shared space.
        text_encoder: the model's own, where it can attend to sound; otherwise None.
    """

    audio_width: int
    text_width: int
    dimension: int
    text_encoder: FusingTextEncoder | None = None


class Row(NamedTuple):
    """Where the class is, and whether it is built for a model (`model_facts`)."""

    place: str
    takes_model: bool = False


OBJECTIVES: Final[Mapping[str, Row]] = MappingProxyType(
    {
        "triplet_random": Row(f"{_HERE}.triplets:TripletRandom"),
        "triplet_ranking": Row(f"{_HERE}.triplets:TripletRanking"),
        "triplet_sum": Row(f"{_HERE}.triplets:TripletSum"),
        "triplet_hardest": Row(f"{_HERE}.triplets:TripletHardest"),
        "triplet_weighted": Row(f"{_HERE}.triplets:TripletWeighted"),
        "nt_xent": Row(f"{_HERE}.nt_xent:NtXent"),
        "exp_euclidean_bce": Row(f"{_HERE}.exp_euclidean:ExpEuclideanBce"),
        "matching": Row(f"{_HERE}.matching:Matching", takes_model=True),
        "masked_lm": Row(f"{_HERE}.masked_lm:MaskedLm", takes_model=True),
        "estimated_correspondences": Row(f"{_HERE}.correspondences:EstimatedCorrespondences"),
    }
)


def build_term(
    name: str, options: Mapping[str, Any] | None = None, *, model_facts: ModelFacts
) -> nn.Module:
    """The term called `name`; weights of its own are drawn from torch's generator.

    Raises `RecipeError` for an unknown name or option with the nearest one, for an impossible
    value, and for a term that the model cannot serve.
    """
    row = chosen(OBJECTIVES, name, "objective")
    kind = placed(row.place)
    known = list(inspect.signature(kind.__init__).parameters)[1:]
    for option in options or {}:
        chosen({key: None for key in known if key != "model_facts"}, option, f"option of {name}")
    facts = {"model_facts": model_facts} if row.takes_model else {}
    term: nn.Module = kind(**(options or {}), **facts)
    return term
