"""Whom a model thanks: the sources of its training clips, their licences, their authors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from soundseek.lab.data.manifest import Clip


def attributions(clips: Sequence[Clip]) -> str:
    """One line for every author, place and licence among the clips, with the number of clips."""
    counted = Counter(
        (clip.source, clip.author or "", clip.origin or "", clip.licence) for clip in clips
    )
    lines = []
    for (source, author, origin, licence), n in sorted(counted.items()):
        who = " — ".join(" ".join(part.split()) for part in (author, origin) if part)
        lines.append(f"- {source} ({n}): {who} — {licence}")
    return "\n".join(lines)


def licences(clips: Sequence[Clip]) -> list[tuple[str, str, int]]:
    """(source, its licences, clips) for every source."""
    sources = sorted({clip.source for clip in clips})
    rows = []
    for source in sources:
        own = [clip.licence for clip in clips if clip.source == source]
        rows.append((source, "; ".join(sorted(set(own))), len(own)))
    return rows
