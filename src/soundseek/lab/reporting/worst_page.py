"""worst-queries.html: the queries that went worst, each with sounds to listen to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from soundseek.lab.reporting.listening import STYLE, are_gone, player
from soundseek.lab.reporting.page import escaped, page
from soundseek.lab.reporting.worst import Heard, Worst


def worst_page(
    name: str, part: str, worst: Sequence[Worst], folder: Path, *, queries: int, clips: int
) -> str:
    """The page, to be written into `folder`. `part`: whose queries these are."""
    note = are_gone([one.clip for query in worst for one in _all(query)])
    head = (
        f"<h1>Worst queries of {escaped(name)}</h1>\n"
        f"<p>Of {queries:,} queries on {clips:,} {escaped(part)} clips, the {len(worst)} whose "
        "first relevant clip ranks worst, that clip, and the clips that came first instead. "
        'Scores are similarities as the system ranks by. <a href="report.html">Report</a></p>\n'
    )
    if not worst:
        note = "<p>Every query finds a relevant clip first.</p>\n"
    return page(
        f"Worst queries of {name}",
        head + note + "\n".join(_article(one, folder, clips) for one in worst),
        STYLE,
    )


def _all(query: Worst) -> tuple[Heard, ...]:
    return (query.right, *query.instead)


def _article(worst: Worst, folder: Path, clips: int) -> str:
    more = f"; the best of {worst.relevant} relevant clips" if worst.relevant > 1 else ""
    instead = "\n".join(_clip(one, folder) for one in worst.instead)
    return (
        f"<article>\n<h2>{escaped(worst.query)}</h2>\n"
        f'<p class="rank">rank {worst.rank:,} of {clips:,}{more}</p>\n'
        f"{_clip(worst.right, folder, ' right')}\n"
        f'<p class="part">came instead</p>\n{instead}\n</article>'
    )


def _clip(heard: Heard, folder: Path, kind: str = "") -> str:
    sound, shown = player(heard.clip, folder)
    return (
        f'<div class="clip{kind}"><span class="score">{heard.score:.4f}</span>{sound}{shown}</div>'
    )
