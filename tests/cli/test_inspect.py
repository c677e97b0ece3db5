from __future__ import annotations

import builtins
import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from support.checkpoint_layouts import hollow, shapes
from support.command_line import succeeded, typed

pytestmark = pytest.mark.lab


@pytest.fixture
def cnn10(home: Path) -> Path:
    """A checkpoint laid out as PANNs' Cnn10, under a name that says nothing."""
    torch.save({"model": hollow(shapes("panns_cnn10"))}, home / "weights.pth")
    return home / "weights.pth"


def test_a_checkpoint_is_described(cnn10: Path) -> None:
    shown = succeeded("models", "inspect", cnn10)
    assert shown.startswith("PANNs Cnn10  weights.pth\n")
    assert "encoder      panns_cnn10" in shown
    assert "under 'model'" in shown
    assert "channels     64, 128, 256, 512" in shown
    assert "fine tuned   no" in shown
    assert "note:" not in shown
    assert "keys\n" not in shown


def test_a_checkpoint_is_described_as_json(cnn10: Path) -> None:
    shown = json.loads(succeeded("models", "inspect", cnn10, "--json"))
    assert shown["architecture"] == "panns_cnn10"
    assert shown["sizes"]["channels"] == [64, 128, 256, 512]
    assert shown["path"] == str(cnn10)
    assert len(shown["keys"]) == 8
    assert shown["warnings"] == []


def test_an_unknown_one_is_described_by_its_keys(home: Path) -> None:
    torch.save({f"layer{n}.weight": torch.ones(2) for n in range(10)}, home / "a.pth")
    shown = succeeded("models", "inspect", "a.pth")
    assert shown.startswith("unknown  a.pth\n")
    assert "none of the lab's reads it" in shown
    assert "    layer0.weight\n" in shown
    assert "and 2 more keys" in shown


def test_notes_are_shown(home: Path) -> None:
    torch.save({"a": torch.tensor([float("inf")])}, home / "a.pth")
    assert "note: 1 tensors hold NaN or infinity: a" in succeeded("models", "inspect", "a.pth")


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 no more", b"not a checkpoint"])
def test_what_is_no_checkpoint_is_refused(content: bytes | None, home: Path) -> None:
    if content is not None:
        (home / "a.pth").write_bytes(content)
    result = typed("models", "inspect", "a.pth")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "a.pth" in result.stderr
    assert "→" in result.stderr


def test_without_torch_the_remedy_is_told(cnn10: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("soundseek.lab.")]:
        monkeypatch.delitem(sys.modules, module)
    imported = builtins.__import__

    def without_torch(name: str, *rest: Any, **more: Any) -> Any:
        if name == "torch" or name.startswith("torch."):
            raise ModuleNotFoundError(f"No module named {name!r}", name="torch")
        return imported(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    result = typed("models", "inspect", cnn10)
    assert result.exit_code == 2
    assert "pip install 'soundseek[lab]'" in result.stderr
