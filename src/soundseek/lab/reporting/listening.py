"""Sounds to listen to, in the pages beside a report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from soundseek.lab.reporting.page import escaped
from soundseek.lab.similarities import Sound

STYLE = """\
body { max-width: 60rem; }
article { margin: 1.2rem 0; padding: .9rem 1.1rem; border: 1px solid var(--line);
  border-radius: .5rem; }
h2 { border: 0; margin: 0; padding: 0; font-size: 1.05rem; overflow-wrap: anywhere; }
.rank, .part, .gone { color: var(--faint); font-size: .9rem; margin: .1rem 0 .5rem; }
.clip { display: grid; grid-template-columns: 4.5rem 19rem 1fr; gap: .2rem .8rem;
  align-items: center; padding: .35rem 0; border-top: 1px solid var(--line); }
.clip audio { width: 100%; height: 2.2rem; }
.clip a { overflow-wrap: anywhere; }
.score { text-align: right; font-variant-numeric: tabular-nums; }
.right { font-weight: 600; }
@media (max-width: 45rem) { .clip { grid-template-columns: 4.5rem 1fr; }
  .clip audio, .clip .gone { grid-column: 1 / -1; grid-row: 2; } }
"""
"""Of pages of articles, each with clips."""


def file_of(clip: Sound) -> Path:
    """The file of a clip; a relative path is one from the current folder."""
    return Path.cwd() / clip.path


def address(clip: Sound, folder: Path) -> str:
    """Where a page in `folder` finds a clip: from the folder if the file is below it, so that both
    can be moved together, else from the root; with the seconds to play as a media fragment."""
    file, home = file_of(clip), Path.cwd() / folder
    if file.is_relative_to(home):
        place = "./" + quote(os.fsencode(file.relative_to(home).as_posix()))
    else:
        place = file.as_uri()
    if clip.duration_s <= 0:
        return place
    return f"{place}#t={_seconds(clip.start_s)},{_seconds(clip.start_s + clip.duration_s)}"


def _seconds(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


def player(clip: Sound, folder: Path) -> tuple[str, str]:
    """What plays a clip on a page in `folder`, and its file's name as a link to it."""
    file = file_of(clip)
    name = escaped(file.name)
    if not file.is_file():
        return '<span class="gone">the file is not there</span>', f"<span>{name}</span>"
    href = escaped(address(clip, folder))
    sound = f'<audio controls preload="none" src="{href}" aria-label="{name}"></audio>'
    return sound, f'<a href="{href}">{name}</a>'


def are_gone(clips: Sequence[Sound]) -> str:
    """A note where files of clips are not there, else nothing."""
    absent = sum(not file_of(clip).is_file() for clip in clips)
    if not absent:
        return ""
    return (
        f"<p><strong>{absent} of {len(clips)} sounds are not there</strong>: they were moved or "
        "deleted since the run, or the run is of another machine.</p>\n"
    )
