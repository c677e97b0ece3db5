"""What a run was made with: versions, machine, threads, the command; an entry a session.

Nothing of it tells whose machine it was: no host name, no user name, no home folder, no password.
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import soundseek
from soundseek.errors import DataError

ENVIRONMENT: Final = "environment.json"
SCHEMA_VERSION: Final = 1
_PACKAGES = (
    "torch",
    "lightning-fabric",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "soundfile",
    "soxr",
    "av",
    "onnx",
    "onnxruntime",
    "pydantic",
    "pyarrow",
    "optuna",
    "matplotlib",
    "tensorboard",
    "wandb",
)
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_PATIENCE_S = 10


def write_environment(folder: Path) -> Path:
    """Add this session to the environment.json of a run's folder; returns the file.

    Call it once whenever a run starts or goes on. Raises `DataError` for a file that is damaged,
    or of a later version.
    """
    file = folder / ENVIRONMENT
    document = {"schema_version": SCHEMA_VERSION, "sessions": [*read_sessions(folder), session()]}
    draft = file.with_suffix(".partial")
    draft.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(file)
    return file


def read_sessions(folder: Path) -> list[dict[str, Any]]:
    """The sessions of a run, oldest first; none where nothing was written.

    Raises `DataError` for a file that is damaged, or of a later version.
    """
    file = folder / ENVIRONMENT
    if not file.is_file():
        return []
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        made_by, sessions = int(document["schema_version"]), document["sessions"]
        if not all(isinstance(one, dict) for one in sessions):
            raise TypeError("a session is no object")
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{file} is damaged: {error!r}", remedy="remove it: it only tells what a run ran on"
        ) from error
    if made_by > SCHEMA_VERSION:
        raise DataError(
            f"{file} has schema version {made_by}, this soundseek reads up to {SCHEMA_VERSION}",
            remedy="upgrade soundseek: pip install --upgrade 'soundseek[lab]'",
        )
    return list(sessions)


def session() -> dict[str, Any]:
    """What this process runs on, ready for JSON."""
    import torch

    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shareable(command(sys.argv)),
        "soundseek": soundseek.__version__,
        "commit": commit(Path(soundseek.__file__)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gb": _memory_gb(),
        "cuda": torch.version.cuda,
        "gpus": _gpus(),
        "threads": {
            "torch": torch.get_num_threads(),
            **{name: os.environ[name] for name in _THREAD_VARIABLES if name in os.environ},
        },
        "packages": versions(_PACKAGES),
    }


def command(arguments: Sequence[str]) -> str:
    """A command line as it can be typed; the program by its name alone."""
    import shlex

    program, *rest = arguments or [""]
    path = Path(program)
    if path.name == "__main__.py":
        name = f"python -m {path.parent.name}"
    else:
        name = f"python {path.name}" if path.suffix == ".py" else path.name
    return " ".join([name, *map(shlex.quote, rest)])


def shareable(text: str) -> str:
    """`text` without what tells whose machine it comes from: the home folder is ~; user and host
    names in paths and addresses, and what stands before the @ of an address, are dots."""
    text = _CREDENTIALS.sub("…", text)
    home = str(Path.home())
    if home != os.sep:
        text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
    for name in {_user(), socket.gethostname()} - {""}:
        text = re.sub(rf"(?<=[/\\@]){re.escape(name)}(?=[/\\:'\"\s]|$)", "…", text)
    return text


def commit(module: Path) -> str | None:
    """The git commit of the checkout that holds the package, `+` where it has changes; None where
    the package is installed or git is not there."""
    # A package in a virtual environment inside some checkout does not belong to that checkout.
    if _git(module.parent, "ls-files", "--error-unmatch", module.name) is None:
        return None
    head = _git(module.parent, "rev-parse", "HEAD")
    changes = _git(module.parent, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return None if head is None else head + ("+" if changes else "")


def processor() -> str:
    """The name of the processor, as far as the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def versions(packages: Sequence[str]) -> Mapping[str, str]:
    """Package → version, of those that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, as in some containers
        return ""


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)
    except (AttributeError, ValueError, OSError):  # a system that does not tell
        return None


def _gpus() -> list[dict[str, Any]]:
    import torch

    if not torch.cuda.is_available():
        return []
    found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return [{"name": gpu.name, "memory_gb": round(gpu.total_memory / 1e9, 1)} for gpu in found]
