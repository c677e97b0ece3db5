"""Rehearsal of a text tower: what it needs is looked for, and no step is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from soundseek.lab.devices import check_devices
from soundseek.lab.plain_rehearsal import PlainRehearsal, begun
from soundseek.lab.words.corpus import read_corpus
from soundseek.lab.words.recipe import WordsRecipe

_NOTES = ("recipe, texts, text teacher and run folder alone were checked: no step was made",)


def rehearse(
    recipe: WordsRecipe, run_folder: Path | None = None, say: Callable[[str], None] = print
) -> PlainRehearsal:
    """Read all texts and look for the teacher and the device."""
    from soundseek.lab.teachers.minilm import MiniLm

    problems, checked = begun(recipe, run_folder), []
    with problems.collecting("data"):
        corpus = read_corpus(recipe)
        checked.append(f"{len(corpus.texts):,} texts to learn from")
        for name, one in corpus.held_out.items():
            checked.append(f"{name}: {len(one.captions):,} captions to measure with")
    with problems.collecting("text teacher"):
        MiniLm()
        checked.append("the text teacher is there")
    with problems.collecting("run.device"):
        check_devices(recipe.run.device, 1, "bf16")
    return PlainRehearsal(recipe.name, tuple(checked), _NOTES, tuple(problems))
