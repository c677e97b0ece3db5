"""What the demonstration asks for, as tables, and what of it is worth showing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soundseek.library.hits import Hit
    from soundseek.synth import Item

SAMPLE_QUERIES = (
    "a dog is barking",
    "an emergency siren",
    "frogs croak by a pond",
    "someone knocks on a door",
    "thunder rumbles",
    "a heart beats",
)
"""Descriptions of sounds in the sample collection; several have files whose names say nothing."""

SAMPLE_MOMENTS = (
    ("rainy_evening", "a dog is barking", "dog_bark"),
    ("street_scene", "an emergency siren", "siren"),
)
"""(scene, description, kind of the event described)."""

SAMPLE_LIKE = "owl"
"""The kind whose first file is the example of a search by sound."""

SAMPLE_DESCRIBED = ("dog_bark", "thunder", "siren")
"""Kinds whose first files are described in words."""

GENERAL_QUERIES = (
    "a person speaking",
    "people singing",
    "a crowd of people",
    "laughter",
    "footsteps",
    "a door opens or closes",
    "rain",
    "running water",
    "wind blowing",
    "birds singing",
    "a dog barking",
    "an animal",
    "an insect buzzing",
    "an engine running",
    "traffic on a road",
    "an alarm or a siren",
    "a bell ringing",
    "something metallic is hit",
    "something breaks",
    "an explosion",
    "a drum beat",
    "a melody on an instrument",
    "a short electronic beep",
    "quiet noise",
)
"""Descriptions of which some fit the sounds of any folder."""

SHOWN_QUERIES = 6
HITS_EACH = 3
LONG_S = 20.0


@dataclass(frozen=True)
class Found:
    """A description and its best hits; there is at least one."""

    query: str
    hits: list[Hit]


def worth_showing(queries: Sequence[str], hits: Sequence[list[Hit]]) -> list[Found]:
    """Choose the queries that fit the sounds best, each with another file in the first place.

    At most `SHOWN_QUERIES`, the best first.
    """
    found = [Found(query, best) for query, best in zip(queries, hits, strict=True) if best]
    found.sort(key=lambda candidate: -candidate.hits[0].similarity)
    chosen: dict[object, Found] = {}
    for candidate in found:
        chosen.setdefault(candidate.hits[0].path, candidate)
    return list(chosen.values())[:SHOWN_QUERIES]


def longest(found: Sequence[Found]) -> tuple[str, Hit] | None:
    """Return the longest file among the hits, with the query it answers best; None if all are
    shorter than `LONG_S` seconds."""
    hits = [(one.query, hit) for one in found for hit in one.hits if hit.duration_s >= LONG_S]
    return max(hits, key=lambda pair: (pair[1].duration_s, pair[1].similarity), default=None)


def sample_items(root: Path) -> dict[Path, Item]:
    """Return what is in each file of the sample collection in `root`."""
    from soundseek.synth import plan_collection

    return {root / item.path: item for item in plan_collection()}


def truth(item: Item, start_s: float, end_s: float) -> str:
    """Return what can be heard in a sample file between two times, in plain English.

    Of a scene it is the event that lasts longest in there, or else the scene as such. Nothing is
    said of a file whose name tells.
    """
    from soundseek.synth import KINDS, SCENES

    if not item.is_scene:
        named = item.path.stem.startswith(item.name)
        return "" if named else KINDS[item.name].caption
    shares = {
        event.kind: min(end_s, event.end_s) - max(start_s, event.start_s)
        for event in SCENES[item.name].events
    }
    kind = max(shares, key=lambda name: shares[name])
    place = item.name.replace("_", " ")
    return f"{place}: {KINDS[kind].caption.lower()}" if shares[kind] > 0 else f"{place}: background"


def scene_file(root: Path, scene: str) -> Path:
    """Return the file of a scene in the sample collection."""
    from soundseek.synth import plan_collection

    return next(
        root / item.path for item in plan_collection() if item.is_scene and item.name == scene
    )


def kind_file(root: Path, kind: str) -> Path:
    """Return the first file of a kind of sound in the sample collection."""
    from soundseek.synth import plan_collection

    return next(root / item.path for item in plan_collection() if item.name == kind)
