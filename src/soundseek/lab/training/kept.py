"""The files that a run keeps its models in."""

from __future__ import annotations

from typing import Final

KEPT: Final = "best.pt"
"""That of the last stage."""


def stage_file(name: str) -> str:
    """The file that a stage keeps its model in."""
    return f"stage-{name}.pt"
