"""The files that a run keeps its models in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from soundseek.errors import DataError

KEPT: Final = "best.pt"
"""That of the last stage."""


def stage_file(name: str) -> str:
    """The file that a stage keeps its model in."""
    return f"stage-{name}.pt"


def read_kept(run_folder: Path, file: str, *, newest: int) -> dict[str, Any]:
    """What a run keeps in one of these files. Raises `DataError` where it is missing, or has a
    schema version above `newest`."""
    import torch  # which those who only ask for names can do without

    path = run_folder / file
    if not path.is_file():
        raise DataError(
            f"no trained model in {run_folder}: {file} is missing",
            remedy="train first, or go on with the run: soundseek train RECIPE --out FOLDER",
        )
    saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if saved["schema_version"] > newest:
        raise DataError(
            f"{path} has schema version {saved['schema_version']}, "
            f"this soundseek reads up to {newest}",
            remedy="upgrade soundseek: pip install --upgrade 'soundseek[lab]'",
        )
    return saved
