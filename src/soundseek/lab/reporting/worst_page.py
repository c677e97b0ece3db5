"""worst-queries.html: the queries that went worst, each with sounds to listen to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from soundseek.lab.reporting.page import escaped, page
from soundseek.lab.reporting.worst import Heard, Worst, address, file_of

_STYLE = """\
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


def worst_page(
    name: str, part: str, worst: Sequence[Worst], folder: Path, *, queries: int, clips: int
) -> str:
    """The page, to be written into `folder`. `part`: whose queries these are."""
    absent = sum(not file_of(one.clip).is_file() for query in worst for one in _all(query))
    note = ""
    if absent:
        heard = sum(1 + len(query.instead) for query in worst)
        note = (
            f"<p><strong>{absent} of {heard} sounds are not there</strong>: they were moved or "
            "deleted since the run, or the run is of another machine.</p>\n"
        )
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
        _STYLE,
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
    file = file_of(heard.clip)
    name = escaped(file.name)
    if file.is_file():
        href = escaped(address(heard.clip, folder))
        sound = f'<audio controls preload="none" src="{href}" aria-label="{name}"></audio>'
        shown = f'<a href="{href}">{name}</a>'
    else:
        sound, shown = '<span class="gone">the file is not there</span>', f"<span>{name}</span>"
    return (
        f'<div class="clip{kind}"><span class="score">{heard.score:.4f}</span>{sound}{shown}</div>'
    )
