"""Which test set a run was scored on, and whether it is the one that was published on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from soundseek.lab.reporting.run import Run
from soundseek.lab.run_folder import RunFolder

# What the reports call a corpus's split, and how many clips it has.
_NAMES: Final[Mapping[tuple[str, str], tuple[str, int]]] = {
    ("clotho", "test"): ("clotho/evaluation", 1045),
}
_CHOICES: Final = ("tiers", "sources", "exclude", "min_caption_quality", "only_new")


def scored_on(run: Run) -> str | None:
    """The name of the test set, such as clotho/evaluation; None where the recipe has none.

    A part of a set is called so: it is another set.
    """
    data = _data(run)
    sources = data.get("test") or ()
    names = [_name(source) for source in sources]
    if not names:
        return None
    name = " + ".join(dict.fromkeys(names))
    part = data.get("most_clips") is not None or any(
        source.get(key) for source in sources for key in _CHOICES
    )
    whole = dict(_NAMES.values()).get(name)
    short = whole is not None and run.scores is not None and run.scores.get("clips") != whole
    return f"a part of {name}" if part or short else name


def comparable(run: Run) -> bool:
    """Whether the published figures were measured on the test set of the run."""
    return run.published is not None and scored_on(run) == run.published.get("on")


def _data(run: Run) -> Mapping[str, Any]:
    """The recipe's data; an ensemble has its members'."""
    data = run.recipe.get("data")
    if data is None and run.members:
        data = RunFolder(run.folder / run.members[0].name).document().get("data")
    return data or {}


def _name(source: Mapping[str, Any]) -> str:
    if source.get("manifest"):
        return str(source["manifest"]).replace("\\", "/").rpartition("/")[2]
    corpus, split = str(source.get("corpus")), source.get("split")
    named = _NAMES.get((corpus, str(split)))
    if named is not None:
        return named[0]
    return corpus if split is None else f"{corpus}/{split}"
