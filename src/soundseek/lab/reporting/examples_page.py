"""captions.html: captions of a run, each with its references and its sound to listen to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from soundseek.lab.reporting.examples import Example, Examples
from soundseek.lab.reporting.listening import STYLE, are_gone, player
from soundseek.lab.reporting.page import escaped, page

_STYLE = """\
main > h2 { font-size: 1.2rem; margin-top: 2.2rem; }
h3 { margin: 0 0 .4rem; font-size: 1.05rem; overflow-wrap: anywhere; }
blockquote { margin: .5rem 0 0; color: var(--faint); font-size: .95rem; }
blockquote p { margin: .1rem 0; }
"""


def examples_page(name: str, found: Examples, folder: Path, *, clips: int, seed: int) -> str:
    """The page, to be written into `folder`, of a run that captioned so many test `clips`."""
    shown = list(_sections(found, clips, seed))
    heard = [one.sound for _, some in shown for one in some]
    note = are_gone([sound for sound in heard if sound is not None])
    unknown = sum(sound is None for sound in heard)
    if unknown:
        note += (
            f"<p><strong>Of {unknown} of {len(heard)} clips it is not known where they are"
            "</strong>: the run's data are not where it read them.</p>\n"
        )
    ranked = (
        "The score is CIDEr."
        if not found.unsorted
        else f"They are not ranked: {escaped(found.unsorted)}."
    )
    head = (
        f"<h1>Captions of {escaped(name)}</h1>\n"
        f"<p>Of {clips:,} test clips, what the run writes, and below it what people wrote. "
        f'{ranked} <a href="report.html">Report</a></p>\n'
    )
    parts = "\n".join(
        f"<h2>{title}</h2>\n" + "\n".join(_article(one, folder) for one in some)
        for title, some in shown
    )
    return page(f"Captions of {name}", f"{head}{note}<main>\n{parts}\n</main>", STYLE + _STYLE)


def _sections(found: Examples, clips: int, seed: int) -> Iterator[tuple[str, Sequence[Example]]]:
    if found.best:
        yield f"The best {len(found.best)}", found.best
    if found.worst:
        yield f"The worst {len(found.worst)}", found.worst
    if len(found.drawn) == clips:
        yield "All of them", found.drawn
    else:
        yield f"{len(found.drawn)} drawn by chance (seed {seed})", found.drawn


def _article(one: Example, folder: Path) -> str:
    score = "" if one.cider is None else f"{one.cider:.4f}"
    if one.sound is None:
        sound, shown = '<span class="gone">not known where it is</span>', "<span></span>"
    else:
        sound, shown = player(one.sound, folder)
    references = "".join(f"<p>{escaped(text)}</p>" for text in one.references)
    return (
        f"<article>\n<h3>{escaped(one.caption)}</h3>\n"
        f'<p class="rank"><code>{escaped(one.clip)}</code></p>\n'
        f'<div class="clip"><span class="score">{score}</span>{sound}{shown}</div>\n'
        f"<blockquote>{references}</blockquote>\n</article>"
    )
