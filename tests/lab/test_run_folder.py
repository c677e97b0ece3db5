from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError
from soundseek.lab.run_folder import METRICS, VALIDATION, RunFolder

pytestmark = pytest.mark.lab


def test_rewinding_drops_the_rows_that_will_come_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.rewind(0)  # nothing there yet
    for step in (10, 20, 30):
        folder.append(METRICS, {"step": step, "loss": step / 7})
    folder.rewind(20)
    folder.append(METRICS, {"step": 30, "loss": 1.5})
    lines = (tmp_path / METRICS).read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", "10", "20", "30"]
    assert lines[-1] == "30,1.5"
    assert not (tmp_path / VALIDATION).exists()


def test_a_newer_checkpoint_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    torch.save({"schema_version": 99}, folder.checkpoint)
    with pytest.raises(DataError, match=r"99.*\n.*upgrade"):
        folder.saved()
