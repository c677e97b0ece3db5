"""What a report says of one kind of system, beside what it says of every run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from soundseek.lab.reporting.document import Block

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A plot to be drawn: its file's name, a sentence for those who do not see it, who fills the
    figure, and its height in inches."""

    name: str
    caption: str
    draw: Callable[[Figure], None]
    height: float = 3.6


@dataclass(frozen=True)
class Told:
    """`figures` open the report and `examples` stand behind its plots, each with their headings;
    `drawings` come behind that of the training loss; `pages`: file name → HTML, beside the report.
    """

    figures: tuple[Block, ...]
    drawings: tuple[Drawing, ...] = ()
    examples: tuple[Block, ...] = ()
    pages: Mapping[str, str] = field(default_factory=dict)
