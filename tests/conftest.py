"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small working bundle, to be read only; see `support.tiny_bundle`."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")
