"""Java where there is one, and places without it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("pycocoevalcap", reason="needs pycocoevalcap (extra `captions`)")

from soundseek.metrics.captions.java import find_java


@pytest.fixture
def java() -> str:
    """A real Java, or the test is skipped."""
    found = find_java()
    if found is None:
        pytest.skip("there is no Java here")
    return found


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Java."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
