"""A report as one HTML page: no script, nothing to fetch, light and dark."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from soundseek.lab.reporting.document import (
    Block,
    Code,
    Heading,
    Inline,
    Link,
    Listing,
    Paragraph,
    Plot,
    Strong,
    Table,
    Text,
    inlines,
    printable,
)
from soundseek.lab.reporting.drawing import inlined

_STYLE = """\
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #5b6570; --line: #d9dee3;
  --link: #0a58a8; --raised: #f5f7f9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e7eb; --paper: #14171a; --faint: #9aa4ae;
  --line: #343b42; --link: #7cb8f2; --raised: #1d2126; } }
* { box-sizing: border-box; }
body { margin: 2rem auto; padding: 0 1rem; max-width: 54rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--line); }
a { color: var(--link); }
code { font: .9em ui-monospace, monospace; background: var(--raised); padding: .1em .3em;
  border-radius: .25em; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; }
th, td { padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--faint); font-weight: 600; }
.r { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 1.4rem 0; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { color: var(--faint); font-size: .9rem; }
"""


def as_page(blocks: Iterable[Block], title: str) -> str:
    """The text of the file."""
    return page(title, "\n".join(_block(block) for block in blocks))


def page(title: str, body: str, style: str = "") -> str:
    """A page around `body`, which is HTML; `style` is added to what all pages have."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escaped(title)}</title>
<style>
{_STYLE}{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def escaped(text: str) -> str:
    """Text as it may stand in a page, also within quotes."""
    return escape(printable(text))


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escaped(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{_text(text)}</p>"
        case Listing(items):
            return "<ul>" + "".join(f"<li>{_text(item)}</li>" for item in items) + "</ul>"
        case Table(head, rows, align):
            lines = [_row("th", head, align), *(_row("td", row, align) for row in rows)]
            return '<div class="scroll"><table>\n' + "\n".join(lines) + "\n</table></div>"
        case Plot(href, svg, caption):
            drawing = inlined(svg, href.rpartition("/")[2].removesuffix(".svg"))
            return f"<figure>\n{drawing}\n<figcaption>{escaped(caption)}</figcaption>\n</figure>"


def _row(tag: str, cells: Iterable[Text], align: str) -> str:
    opening = {"l": f"<{tag}>", "r": f'<{tag} class="r">'}
    shown = [
        f"{opening[side]}{_text(cell)}</{tag}>" for cell, side in zip(cells, align, strict=True)
    ]
    return "<tr>" + "".join(shown) + "</tr>"


def _text(text: Text) -> str:
    return "".join(_inline(part) for part in inlines(text))


def _inline(part: Inline) -> str:
    match part:
        case Code(text):
            return f"<code>{escaped(text)}</code>"
        case Link(text, href):
            return f'<a href="{escaped(href)}">{escaped(text)}</a>'
        case Strong(text):
            return f"<strong>{escaped(text)}</strong>"
        case str():
            return escaped(part)
