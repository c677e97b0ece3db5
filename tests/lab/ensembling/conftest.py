from __future__ import annotations

from collections.abc import Callable

import pytest

from soundseek.lab.ensembling import blocks


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return few_rows(n) → blocks hold about n bytes of scores from now on."""
    return lambda size: monkeypatch.setattr(blocks, "BLOCK_BYTES", size)
