"""How plots look, and how they become SVG: the same bytes for the same figures.

Plots are drawn in `INK` on `PAPER`, two colours that nothing else has, so that a page can put its
own colours in their place.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Formatter

INK: Final = "#23282d"
PAPER: Final = "#fefefe"
# Of Okabe and Ito's colours those that stand out on white and on black; all tell apart without red
# or green, and every line has its own dashes or markers besides.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = (
    "#2f7fc1",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#cc79a7",
    "#56b4e9",
)
COLOURS: Final = (ORANGE, GREEN, PURPLE, RED, SKY)
DASHES: Final = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)))
_STYLE: Final[dict[str, Any]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.facecolor": PAPER,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 9,
    "grid.alpha": 0.18,
    "grid.color": INK,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "soundseek",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def drawn(draw: Callable[[Figure], None], *, height: float = 3.6) -> str:
    """The SVG of a figure that `draw` fills, 7.2 inches wide.

    Raises `ModuleNotFoundError` where matplotlib is not installed.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    text = io.StringIO()
    # From the defaults: what a user has set for other plots changes nothing here.
    style: Any = {**matplotlib.rcParamsDefault, "backend": "agg"} | _STYLE
    with matplotlib.rc_context(rc=style):
        figure = Figure(figsize=(7.2, height), layout="constrained")
        draw(figure)
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(text, metadata={"Date": None, "Creator": None})
    return text.getvalue()


def inlined(svg: str, name: str) -> str:
    """The drawing as part of an HTML page: in the page's colour on its ground, its ids its own by
    `name`."""
    drawing = svg[svg.index("<svg") :].strip()
    drawing = drawing.replace(INK, "currentColor").replace(PAPER, "none")
    drawing = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', drawing)
    drawing = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", drawing)
    drawing = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', drawing)
    # A drawing's style sheet would hold for the whole page.
    return re.sub(r"<(style|metadata)\b.*?</\1>\s*", "", drawing, flags=re.DOTALL)


def only_horizontal_grid(axes: Axes) -> None:
    """For bars: their places need no lines."""
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)


def percent() -> Formatter:
    """For axes of shares."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda share, _: f"{100 * share:.3g}%")
