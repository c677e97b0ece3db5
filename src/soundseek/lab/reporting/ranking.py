"""How well a run ranks, drawn: recall by rank, ranks, and the scores that they come from."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.reporting import drawing
from soundseek.lab.reporting.figures import RecallByRank, Spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The fewer pairs, the wider the bins; each divides the fine ones.
_BINS: Final = ((1000, 80), (200, 40), (0, 20))
_RANKS: Final = (1, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


def draw_recall(figure: Figure, found: RecallByRank, published: Mapping[str, float]) -> None:
    """R@k by k with its interval, beside what chance would find and what was published."""
    axes = figure.subplots()
    axes.fill_between(found.k, found.low, found.high, color=drawing.BLUE, alpha=0.2, linewidth=0)
    axes.plot(found.k, found.recall, color=drawing.BLUE, linewidth=2.0, label="measured")
    axes.plot(found.k, found.chance, color=drawing.INK, linestyle=":", label="chance")
    marked = [k for k in (1, 5, 10) if k <= found.k[-1]]
    axes.plot(marked, found.recall[np.array(marked) - 1], "o", color=drawing.BLUE, markersize=5)
    roomy = found.recall[0] > 0.15 * found.high.max()  # the line leaves room below its beginning
    for k in marked:
        axes.annotate(
            f"R@{k}  {found.recall[k - 1]:.1%}",
            (k, found.recall[k - 1]),
            xytext=(6, -12) if k == 1 and roomy else (0 if k == 1 else -2, 9),
            textcoords="offset points",
            ha="left" if k == 1 else "right",
        )
    points = {int(name[2:]): value for name, value in published.items() if name.startswith("R@")}
    if points:
        axes.plot(
            list(points),
            list(points.values()),
            "D",
            color=drawing.ORANGE,
            markerfacecolor="none",
            markeredgewidth=1.6,
            markersize=7,
            label="published",
        )
    ticks = [k for k in (1, 2, 5, 10, 20, 50, 100) if k <= found.k[-1]]
    axes.set(
        title="Recall by rank, text → audio",
        xlabel="k, how many clips are looked at",
        ylabel="queries that find a relevant clip",
        xscale="log",
        ylim=(0, min(1.02, 1.2 * float(found.high.max()))),
    )
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(drawing.percent())
    axes.legend(loc="upper left" if found.recall[0] < found.high.max() / 2 else "lower right")


def draw_spread(figure: Figure, found: Spread) -> None:
    """How the scores of relevant pairs and of all others lie, and where they are told apart."""
    axes = figure.subplots()
    bins = next(bins for least, bins in _BINS if found.relevant.sum() >= least)
    edges, relevant, others = found.coarser(bins)
    named = (
        (others, drawing.ORANGE, "--", f"other pairs ({found.others.sum():,})"),
        (relevant, drawing.BLUE, "-", f"relevant pairs ({found.relevant.sum():,})"),
    )
    for density, colour, dashes, label in named:
        axes.stairs(density, edges, fill=True, color=colour, alpha=0.22, linewidth=0)
        axes.stairs(density, edges, color=colour, linestyle=dashes, linewidth=1.6, label=label)
    top = float(max(relevant.max(), others.max())) * 1.18
    if found.threshold is not None and found.error is not None:
        axes.axvline(found.threshold, color=drawing.INK, linewidth=1.0)
        middle = (edges[0] + edges[-1]) / 2
        left = found.threshold > middle
        axes.annotate(
            f"equal error: {found.error:.1%} at {found.threshold:.3g}",
            (found.threshold, top),
            xytext=(-6 if left else 6, -4),
            textcoords="offset points",
            ha="right" if left else "left",
            va="top",
        )
    axes.set(
        title="Similarity of captions and clips",
        xlabel="score",
        ylabel="density",
        ylim=(0, top),
    )
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)


def draw_ranks(figure: Figure, ranks: NDArray[np.int64], clips: int) -> None:
    """Share of queries by the rank of their first relevant clip, in classes that grow."""
    axes = figure.subplots()
    # A last class of a few ranks would say little.
    bounds = [0, *(bound for bound in _RANKS if bound < clips / 1.5), clips]
    counts = np.histogram(ranks, np.array(bounds) + 0.5)[0]
    names = [
        str(high) if high == low + 1 else f"{low + 1}–{high}" for low, high in pairwise(bounds)
    ]
    shares = counts / max(1, counts.sum())
    bars = axes.bar(names, shares, color=drawing.BLUE, width=0.78)
    axes.bar_label(bars, [f"{share:.1%}" for share in shares], padding=2, fontsize=8.5)
    axes.set(
        title="Rank of the first relevant clip",
        xlabel=f"rank among {clips:,} clips",
        ylabel="share of queries",
    )
    axes.margins(y=0.12)
    axes.yaxis.set_major_formatter(drawing.percent())
    drawing.only_horizontal_grid(axes)
