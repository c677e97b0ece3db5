from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.lab import memory

pytestmark = pytest.mark.lab

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_machine_says_what_is_free(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    assert memory.free_of_machine(file) is None
    written(file, "MemTotal:  100 kB\nMemFree:  1 kB\nMemAvailable:     64 kB\n")
    assert memory.free_of_machine(file) == 65_536


def test_the_tightest_group_counts_and_its_files_do_not(tmp_path: Path) -> None:
    groups, root = tmp_path / "cgroup", tmp_path / "fs"
    written(groups, "0::/outer/inner\n")
    assert memory.free_of_groups(groups, root) is None
    for name, limit, used in (("outer", "1000", "700"), ("outer/inner", "max", "600")):
        written(root / name / "memory.max", f"{limit}\n")
        written(root / name / "memory.current", f"{used}\n")
    assert memory.free_of_groups(groups, root) == 300
    written(root / "outer/memory.stat", "anon 5\ninactive_file 150\n")
    assert memory.free_of_groups(groups, root) == 450
    written(root / "outer/inner/memory.max", "610")
    assert memory.free_of_groups(groups, root) == 10
    written(root / "outer/inner/memory.max", "500")  # over its limit
    assert memory.free_of_groups(groups, root) == 0


def test_the_first_version_of_groups(tmp_path: Path) -> None:
    groups, root = tmp_path / "cgroup", tmp_path / "fs"
    written(groups, "5:cpu:/a\n4:hugetlb,memory:/a\n")
    written(root / "memory/a/memory.limit_in_bytes", "90")
    written(root / "memory/a/memory.usage_in_bytes", "50")
    assert memory.free_of_groups(groups, root) == 40


@linux
def test_the_peak_is_that_since_the_reset() -> None:
    size = 80_000_000
    meter = memory.PeakMemory(torch.device("cpu"))
    block = np.ones(size, np.uint8)
    assert meter.peak() - meter.before > 0.8 * size
    del block
    meter.reset()
    assert meter.peak() - meter.before < 0.5 * size
    assert memory.available(torch.device("cpu"))
