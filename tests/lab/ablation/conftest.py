"""Ablations of the tiny recipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.retrieval import Document


@pytest.fixture
def recipe_file(document: Document, tmp_path: Path) -> Path:
    """The tiny recipe as a file."""
    path = tmp_path / "tiny.yaml"
    options = {**document["audio"]["options"], "channels": [2, 4, 4, 8]}
    plain = document | {"audio": document["audio"] | {"options": options}}
    path.write_text(yaml.safe_dump(plain), encoding="utf-8")
    return path


@pytest.fixture
def rows_file(tmp_path: Path) -> Callable[..., str]:
    """Return rows_file(*rows, **settings) → the path of an ablation's file."""

    def made(*rows: Document, **settings: Any) -> str:
        path = tmp_path / "rows.yaml"
        document = {"name": "mine", "rows": list(rows), **settings}
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return str(path)

    return made
