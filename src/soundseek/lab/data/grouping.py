"""Clips that share a text answer each other's captions: they belong to one group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from soundseek.lab.data.manifest import Clip
from soundseek.text import normalise_caption


def by_shared_captions(clips: Sequence[Clip]) -> list[Clip]:
    """The clips, with one group for those of a split that are joined by a caption.

    Captions are the same when they are once normalised (case, punctuation, spaces). A group is
    named after its first clip; a clip that shares nothing is a group of its own. In Clotho
    development 16 texts belong to more than one clip. Joining is transitive: where A shares one
    text with B, and B another one with C, all three are one group.
    """
    leaders = list(range(len(clips)))
    for sharing in shared_captions(clips).values():
        first = _leader(leaders, sharing[0])
        for other in sharing[1:]:
            second = _leader(leaders, other)
            first, second = min(first, second), max(first, second)
            leaders[second] = first
    return [
        replace(clip, group=clips[_leader(leaders, index)].id) for index, clip in enumerate(clips)
    ]


def shared_captions(clips: Iterable[Clip]) -> dict[tuple[str, str], list[int]]:
    """(split, normalised caption) → the positions of the clips that have it, where two or more do.

    A clip counts once however often it repeats a caption; empty captions are no text to share.
    """
    holders: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for index, clip in enumerate(clips):
        for text in dict.fromkeys(map(normalise_caption, clip.captions)):
            if text:
                holders[clip.split, text].append(index)
    return {place: sharing for place, sharing in holders.items() if len(sharing) > 1}


def _leader(leaders: list[int], index: int) -> int:
    while leaders[index] != index:
        leaders[index] = leaders[leaders[index]]
        index = leaders[index]
    return index
