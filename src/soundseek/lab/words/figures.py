"""How close a text tower is to its teacher on captions that neither of them learnt from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.words.corpus import HeldOut
from soundseek.metrics.retrieval import average_precision_at, relevant_positions

_K = 10
_ITSELF = -2.0  # below every cosine

Encode = Callable[[list[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class Examination:
    """Held-out captions with the teacher's vectors, float32 `[captions, dimension]`."""

    held_out: HeldOut
    taught: NDArray[np.float32]


def examined(encode: Encode, examinations: Mapping[str, Examination]) -> dict[str, float]:
    """`cosine` over all captions, and figures of each set under its name: see `compared`."""
    found: dict[str, float] = {}
    total, count = 0.0, 0
    for name, one in examinations.items():
        figures = compared(encode(one.held_out.captions), one)
        found.update({f"{name} {figure}": value for figure, value in figures.items()})
        total, count = total + figures["cosine"] * len(one.taught), count + len(one.taught)
    return {"cosine": total / count, **found}


def compared(vectors: NDArray[np.float32], one: Examination) -> dict[str, float]:
    """`vectors` `[captions, dimension]` beside the teacher's.

    `cosine`: the mean. `same@10`: share of the teacher's ten nearest other captions that are among
    the ten nearest by `vectors` as queries and the teacher's as what is searched. `mAP@10`: of
    these queries, where the other captions of the same clip are relevant; of sets with some.
    """
    scores = np.array(vectors @ one.taught.T)
    wanted = np.array(one.taught @ one.taught.T)
    found = {"cosine": float(np.diag(scores).mean())}
    for each in (scores, wanted):
        np.fill_diagonal(each, _ITSELF)
    if len(scores) > _K:
        nearest, taught = (_nearest(each) for each in (scores, wanted))
        found["same@10"] = float(np.mean((nearest & taught).sum(1) / _K))
    owners = one.held_out.owners
    relevant = owners[:, None] == owners[None, :]
    np.fill_diagonal(relevant, False)
    asked = relevant.any(axis=1)
    if asked.any():
        positions = relevant_positions(scores[asked], relevant[asked])
        found["mAP@10"] = float(average_precision_at(positions, _K).mean())
    return found


def _nearest(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    chosen = np.argpartition(-scores, _K, axis=1)[:, :_K]
    nearest = np.zeros(scores.shape, np.bool_)
    np.put_along_axis(nearest, chosen, True, axis=1)
    return nearest
