"""Memory: how much a process may still take, and the most that it took."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from pathlib import Path
from typing import Final

import torch

_PROC: Final = Path("/proc")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_FORGET_PEAK = "5"  # what /proc/self/clear_refs takes to reset the high-water mark


def available(device: torch.device) -> int | None:
    """Bytes that this process can still take on `device`; None where the system does not tell.

    Of the machine's memory that is what Linux calls available, or what the limits of the control
    groups that the process is in leave, whichever is less.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    found = [free_of_machine(_PROC / "meminfo"), free_of_groups(_PROC / "self/cgroup", _CGROUPS)]
    return min((one for one in found if one is not None), default=None)


def free_of_machine(meminfo: Path) -> int | None:
    """MemAvailable of /proc/meminfo."""
    found = re.search(r"^MemAvailable:\s*(\d+) kB", _text(meminfo), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def free_of_groups(groups: Path, root: Path) -> int | None:
    """What the limits of the process's control groups (v2 or v1) leave; None without a limit.

    Cached files that can be dropped do not count as used.
    """
    left: list[int] = []
    for line in _text(groups).splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            names = ("memory.max", "memory.current", "inactive_file")
            top = root
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            top = root / "memory"
        else:
            continue
        own = top / path.lstrip("/")
        for folder in (own, *own.parents):
            limit, used = _text(folder / names[0]).strip(), _text(folder / names[1]).strip()
            if limit.isdigit() and used.isdigit():
                cached = re.search(rf"^{names[2]} (\d+)$", _text(folder / "memory.stat"), re.M)
                left.append(int(limit) - int(used) + (int(cached[1]) if cached else 0))
            if folder == top:
                break
    return max(0, min(left)) if left else None


def resident() -> int:
    """Bytes of this process that are in the machine's memory."""
    return _status("VmRSS") or _most_by_usage()


class PeakMemory:
    """The most memory on `device` since `reset`, in bytes: what PyTorch had allocated on a GPU,
    the resident high-water mark of the whole process otherwise."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.before = 0
        self.reset()

    def reset(self) -> None:
        """Let go of what is not used, and begin anew. Where the system keeps the mark of the whole
        life of the process, `peak` is that."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
            self.before = torch.cuda.memory_allocated(self.device)
            return
        _trim()
        try:
            (_PROC / "self/clear_refs").write_text(_FORGET_PEAK)
        except OSError:
            pass  # not Linux, or not allowed: said above
        self.before = resident()

    def peak(self) -> int:
        """Bytes at the highest point."""
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        return _status("VmHWM") or _most_by_usage()


def _trim() -> None:
    """Give what the C library keeps for later back to the system."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _status(name: str) -> int | None:
    found = re.search(rf"^{name}:\s*(\d+) kB", _text(_PROC / "self/status"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _most_by_usage() -> int:
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
