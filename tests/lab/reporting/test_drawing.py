from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

from soundseek.lab.reporting.drawing import INK, PAPER, drawn, inlined
from support.pages import read_page

pytestmark = pytest.mark.lab


def test_a_drawing_in_a_page_takes_its_colours_and_has_ids_of_its_own() -> None:
    def draw(figure: object) -> None:
        axes = figure.subplots()  # type: ignore[attr-defined]
        axes.plot([0, 1], [0, 1], label="a & b <c>")
        axes.legend()

    svg = drawn(draw)  # type: ignore[arg-type]
    assert svg == drawn(draw)  # type: ignore[arg-type]
    assert "<dc:date>" not in svg
    assert INK in svg
    assert PAPER in svg
    inline = inlined(svg, "p")
    assert inline.startswith("<svg")
    assert INK not in inline
    assert PAPER not in inline
    assert "currentColor" in inline
    assert "<style" not in inline
    page = read_page(inline)
    assert page.open == []
    assert "a & b <c>" in page.text
    assert all(one.startswith("p-") for one in page.ids)
    for used in page.uses:
        assert used in page.ids


def test_other_peoples_settings_of_matplotlib_neither_count_nor_change() -> None:
    import matplotlib

    def draw(figure: object) -> None:
        figure.subplots().plot([1, 2])  # type: ignore[attr-defined]

    before = drawn(draw)  # type: ignore[arg-type]
    with matplotlib.rc_context({"font.size": 30, "axes.grid": False}):
        assert drawn(draw) == before  # type: ignore[arg-type]
        assert matplotlib.rcParams["font.size"] == 30
