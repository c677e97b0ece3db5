"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.tiny_bundle import make_tiny_bundle


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched in tests, but from servers of their own."""
    monkeypatch.setenv("SOUNDSEEK_OFFLINE", "1")


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small working bundle, to be read only; see `support.tiny_bundle`."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")
