"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.tiny_bundle import make_tiny_bundle
from support.tiny_captioner import make_tiny_captioner


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched in tests, but from servers of their own."""
    monkeypatch.setenv("SOUNDSEEK_OFFLINE", "1")


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small working bundle, to be read only; see `support.tiny_bundle`."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def tiny_captioner(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """The folder of a captioner for `tiny_bundle`, to be read only."""
    return make_tiny_captioner(tmp_path_factory.mktemp("captioners") / "tiny", tiny_bundle)
