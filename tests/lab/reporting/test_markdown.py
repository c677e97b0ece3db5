from __future__ import annotations

import pytest

from soundseek.lab.reporting.document import (
    Code,
    Heading,
    Link,
    Listing,
    Paragraph,
    Plot,
    Strong,
    Table,
)
from soundseek.lab.reporting.markdown import as_markdown


def test_every_block() -> None:
    blocks = [
        Heading("A\nb", 1),
        Paragraph(("see ", Link("x", "x.md"), ", ", Strong("now"))),
        Listing(("one", ("two ", Code("2")))),
        Table(("a", "b"), (("x", Code("1|2")), ("y", "")), "lr"),
        Plot("plots/p.svg", "<svg/>", "what [it] shows"),
    ]
    assert as_markdown(blocks) == (
        "# A b\n\nsee [x](x.md), **now**\n\n- one\n- two `2`\n\n"
        "| a | b |\n| --- | ---: |\n| x | `1\\|2` |\n| y |  |\n\n"
        "![what \\[it\\] shows](plots/p.svg)\n"
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a | b", r"a \| b"),
        ("<script>", r"\<script\>"),
        ("*now* or `never`", r"\*now\* or \`never\`"),
        ("snake_case and _emphasis_", r"snake_case and \_emphasis\_"),
        ("two\r\nlines\x00", "two lines�"),
        ("\\", "\\\\"),
    ],
)
def test_text_stays_text(text: str, written: str) -> None:
    assert as_markdown([Paragraph(text)]) == written + "\n"


def test_code_with_backticks() -> None:
    assert as_markdown([Paragraph(Code("a `b`"))]) == "`` a `b` ``\n"
