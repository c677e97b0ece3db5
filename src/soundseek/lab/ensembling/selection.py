"""Which members an ensemble is better off with: greedy forward selection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from soundseek.lab.choices import chosen
from soundseek.lab.ensembling.figures import FIGURES
from soundseek.lab.ensembling.join import Mixture
from soundseek.metrics.retrieval import relevant_positions

MOST_ROUNDS: Final = 100
# Below it a gain is the rounding of sums in another order.
_LEAST_GAIN: Final = 1e-9


@dataclass(frozen=True)
class Round:
    """Member `member` was taken; the ensemble then had `value`."""

    member: int
    value: float


@dataclass(frozen=True)
class Selection:
    """`counts`: how often each member was taken, which are its weights."""

    figure: str
    counts: tuple[int, ...]
    rounds: tuple[Round, ...]


def greedy(
    values: Callable[[Sequence[int]], Sequence[float]],
    members: int,
    *,
    replacement: bool = True,
    most: int = MOST_ROUNDS,
) -> list[Round]:
    """Take the member that makes the ensemble best, again and again, until none makes it better.

    `values(counts)`: the figure of the ensemble of `counts` with one more of each member in turn.
    Of members that are equally good the first is taken. With `replacement` a member can be taken
    more than once, which weighs it. Source: Caruana et al. 2004, Ensemble selection from libraries
    of models, section 2.
    """
    counts = [0] * members
    rounds: list[Round] = []
    while len(rounds) < most:
        found = values(counts)
        open_to = [i for i in range(members) if replacement or not counts[i]]
        if not open_to:
            break
        best = max(open_to, key=lambda i: (found[i], -i))
        if rounds and found[best] <= rounds[-1].value + _LEAST_GAIN:
            break
        counts[best] += 1
        rounds.append(Round(best, float(found[best])))
    return rounds


def select(
    mixture: Mixture, *, figure: str = "mAP@10", replacement: bool = True, most: int = MOST_ROUNDS
) -> Selection:
    """The members of a mixture, on validation clips, by `figure`.

    Raises `RecipeError` for another figure.
    """
    earned = chosen(FIGURES, figure, "figure")
    relevant = mixture.reference.relevant
    members = len(mixture.names)

    def values(counts: Sequence[int]) -> list[float]:
        sums, start = np.zeros(members), 0
        for blocks in mixture.trials(counts):
            stop = start + len(blocks[0])
            for member, block in enumerate(blocks):
                sums[member] += earned(relevant_positions(block, relevant[start:stop])).sum()
            start = stop
        return [float(total) for total in sums / max(1, start)]

    rounds = greedy(values, members, replacement=replacement, most=most)
    taken = [one.member for one in rounds]
    return Selection(figure, tuple(taken.count(i) for i in range(members)), tuple(rounds))
