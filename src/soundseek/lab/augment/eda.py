"""Easy data augmentation: words inserted, deleted, swapped or replaced; drawn, then applied.

Wei & Zou 2019, "EDA", in the form of the CP-JKU 2022 study, section 5: with probability `p_eda` one
of the four operations is chosen, all equally likely, and done to each word with that operation's
own probability. The best values of its search (table 4): p_eda 0.9936, synonym 0.2962, swap 0.0085,
delete 0.1944; the value of insert is not in the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from soundseek.text import normalise_caption

Operation = Literal["insert", "delete", "swap", "synonym"]
_OPERATIONS: tuple[Operation, ...] = ("insert", "delete", "swap", "synonym")
_FUNCTION_WORDS = """
    a about above after all am an and another any are as at be been before behind being below both
    but by can could did do does doing down during each else few for from had has have having he
    her here him his i if in inside into is it its may me might more most must my near no nor not
    of off on once one or other our out outside over own she should so some such than that the
    their them then there these they this those through to too two under until up upon us very was
    we were what when where which while who will with within without would you your
"""
# These are never replaced (as in Wei & Zou): WordNet knows "a" as the angstrom, "he" as helium.
_NEVER_REPLACED = frozenset(_FUNCTION_WORDS.split())
_EDGES = re.compile(r"^\W+|\W+$")


class Thesaurus(Protocol):
    """Where synonyms come from."""

    def synonyms(self, word: str) -> list[str]:
        """Other words for `word`, in an order that does not change; [] when there is none."""
        ...


@dataclass(frozen=True)
class EdaRange:
    """How often, and each operation's probability for a word."""

    p_eda: float = 0.0
    p_insert: float = 0.0
    p_delete: float = 0.0
    p_swap: float = 0.0
    p_synonym: float = 0.0

    def per_word(self, operation: Operation) -> float:
        """The probability of `operation` for each word."""
        return {
            "insert": self.p_insert,
            "delete": self.p_delete,
            "swap": self.p_swap,
            "synonym": self.p_synonym,
        }[operation]


@dataclass(frozen=True)
class EdaPlan:
    """What is done to one caption: to the words at `positions`, each with its own `picks` in
    [0, 1), which choose the other word. `operation` None: nothing."""

    operation: Operation | None
    positions: tuple[int, ...] = ()
    picks: tuple[float, ...] = ()


def vocabulary_of(captions: Iterable[str]) -> tuple[str, ...]:
    """The different words of a corpus, normalised and sorted: what insertions are taken from."""
    return tuple(sorted({word for text in captions for word in normalise_caption(text).split()}))


def draw_eda(rng: np.random.Generator, words: int, ranges: EdaRange) -> EdaPlan:
    """Draw the plan of a caption of `words` words."""
    chosen, which = rng.random(2)
    draws = rng.random((2, words))
    if chosen >= ranges.p_eda:
        return EdaPlan(None)
    operation = _OPERATIONS[int(which * len(_OPERATIONS))]
    positions = np.flatnonzero(draws[0] < ranges.per_word(operation))
    return EdaPlan(operation, tuple(positions.tolist()), tuple(draws[1][positions].tolist()))


def apply_eda(
    text: str, plan: EdaPlan, *, vocabulary: Sequence[str] = (), thesaurus: Thesaurus | None = None
) -> str:
    """Carry out a plan on the text it was drawn for.

    A text that has words keeps at least one. A text to which nothing is done comes back as it was;
    otherwise its words are joined by single spaces. Without vocabulary nothing is inserted, without
    thesaurus nothing replaced, and articles, pronouns, prepositions and auxiliaries never are.
    """
    words = text.split()
    if plan.operation is None or not plan.positions or not words:
        return text
    if plan.operation == "insert":
        return " ".join(_inserted(words, plan, vocabulary))
    if plan.operation == "delete":
        return " ".join(_deleted(words, plan))
    if plan.operation == "swap":
        return " ".join(_swapped(words, plan))
    return " ".join(_replaced(words, plan, thesaurus))


def _inserted(words: list[str], plan: EdaPlan, vocabulary: Sequence[str]) -> list[str]:
    if not vocabulary:
        return words
    new = dict(zip(plan.positions, plan.picks, strict=True))
    result = []
    for position, word in enumerate(words):
        result.append(word)
        if position in new:
            result.append(vocabulary[int(new[position] * len(vocabulary))])
    return result


def _deleted(words: list[str], plan: EdaPlan) -> list[str]:
    gone = set(plan.positions)
    kept = [word for position, word in enumerate(words) if position not in gone]
    return kept or [words[int(plan.picks[0] * len(words))]]


def _swapped(words: list[str], plan: EdaPlan) -> list[str]:
    result = list(words)
    if len(words) < 2:
        return result
    for position, pick in zip(plan.positions, plan.picks, strict=True):
        other = int(pick * (len(words) - 1))
        other += other >= position
        result[position], result[other] = result[other], result[position]
    return result


def _replaced(words: list[str], plan: EdaPlan, thesaurus: Thesaurus | None) -> list[str]:
    result = list(words)
    if thesaurus is None:
        return result
    for position, pick in zip(plan.positions, plan.picks, strict=True):
        core = _EDGES.sub("", words[position])
        replaceable = core and core.lower() not in _NEVER_REPLACED
        others = thesaurus.synonyms(core) if replaceable else []
        if others:
            other = others[int(pick * len(others))]
            result[position] = words[position].replace(core, other, 1)
    return result
