from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

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
from soundseek.lab.reporting.page import as_page
from support.pages import read_page

pytestmark = pytest.mark.lab


def test_every_block_is_escaped_and_closed() -> None:
    evil = "<script>alert('1')</script> & \"q\" \x00\udcff"
    blocks = [
        Heading(evil, 1),
        Paragraph((evil, Code(evil), Strong(evil), Link(evil, 'x.md?a=1&b="2"'))),
        Listing((evil,)),
        Table((evil, "n"), ((evil, "1"),), "lr"),
        Plot("plots/p.svg", '<?xml?>\n<svg id="a"/>', evil),
    ]
    text = as_page(blocks, evil)
    text.encode("utf-8")
    page = read_page(text)
    assert "script" not in page.tags
    assert page.text.count("<script>alert('1')</script> & \"q\" ��") == 10
    assert page.links == ['x.md?a=1&b="2"']
    assert page.open == []
    assert "prefers-color-scheme: dark" in text
    assert "src=" not in text
