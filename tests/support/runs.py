"""Runs that are compared with each other, and runs that are interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch


def loaded(path: Path) -> dict[str, Any]:
    """A file of weights."""
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def assert_same(first: Any, second: Any, where: str = "") -> None:
    """Exact equality, tensor by tensor."""
    assert type(first) is type(second), where
    if isinstance(first, dict):
        assert list(first) == list(second), where
        for key in first:
            assert_same(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for i, (one, other) in enumerate(zip(first, second, strict=True)):
            assert_same(one, other, f"{where}.{i}")
    elif isinstance(first, torch.Tensor):
        assert first.equal(second), where
    else:
        assert first == second, where


def assert_same_weights(first: Path, second: Path) -> None:
    """Checkpoints and kept models of two runs: weights, optimiser, early stopping."""
    for name in ("last.pt", "best.pt", *(path.name for path in first.glob("stage-*.pt"))):
        one, other = loaded(first / name), loaded(second / name)
        for state in (one, other):
            state.get("progress", {}).pop("seconds", None)
        assert_same(one, other, name)


def interrupted(
    owner: Any, place: str, at: int, work: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Do the work, and be interrupted when the `at`-th call of `owner.place` begins."""
    real, calls = getattr(owner, place), 0

    def watched(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(owner, place, watched)
        with pytest.raises(KeyboardInterrupt):
            work()
