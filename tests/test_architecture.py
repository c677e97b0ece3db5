"""The arrows of docs/architecture.md: imports point down, and the runtime stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import soundseek

PACKAGE = Path(soundseek.__file__).parent
GROUND = {"audio", "text", "metrics", "synth", "errors"}
MAY_IMPORT = {
    "errors": set(),
    "text": {"errors"},
    "audio": {"errors"},
    "metrics": {"errors"},
    "synth": {"errors"},
    "bundle": GROUND,
    "library": GROUND | {"bundle"},
    "lab": GROUND | {"bundle"},
    "serve": GROUND | {"bundle", "library"},
    "cli": GROUND | {"bundle", "library", "lab", "serve"},
}
HEAVY = ("torch", "transformers", "librosa", "pydantic", "yaml", "onnx", "scipy")


def rooms_imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("soundseek.")}
    return found & set(MAY_IMPORT)


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_imports_point_down(room: str) -> None:
    files = [PACKAGE / f"{room}.py"] if room == "errors" else sorted((PACKAGE / room).rglob("*.py"))
    assert files
    for path in files:
        upward = rooms_imported(path) - MAY_IMPORT[room] - {room}
        assert not upward, f"{path.relative_to(PACKAGE)} imports {', '.join(sorted(upward))}"


def test_every_folder_of_the_package_is_in_the_picture() -> None:
    folders = {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    assert folders <= set(MAY_IMPORT)


def test_files_stay_readable_in_one_sitting() -> None:
    long = [
        f"{path.relative_to(PACKAGE)}: {n}"
        for path in PACKAGE.rglob("*.py")
        if (n := len(path.read_text(encoding="utf-8").splitlines())) > 400
    ]
    assert not long


RUNTIME = """
import sys
import numpy as np, soundfile
from pathlib import Path
import soundseek
folder, bundle, captioner = Path(sys.argv[1]), sys.argv[2], sys.argv[4]
(folder / "sounds").mkdir()
noise = np.random.default_rng(0).standard_normal(16000) * 0.1
soundfile.write(folder / "sounds" / "noise.wav", noise, 16000)
with soundseek.Library.open(folder / "library", bundle=bundle, create=True) as library:
    library.index([folder / "sounds"])
    hits = library.search("noise")
    assert hits
from soundseek.bundle.captioning.describe import describe, hear
listener = soundseek.load_bundle(bundle)
speaker = soundseek.load_captioner(captioner, bundle=listener)
(described,) = describe(speaker, [hear(listener, folder / "sounds" / "noise.wav")])
assert described.caption
print(sorted(set(sys.argv[3].split(",")) & set(sys.modules)))
"""


def test_the_runtime_imports_nothing_heavy(
    tmp_path: Path, tiny_bundle: Path, tiny_captioner: Path
) -> None:
    arguments = [str(tmp_path), str(tiny_bundle), ",".join(HEAVY), str(tiny_captioner)]
    done = subprocess.run(
        [sys.executable, "-c", RUNTIME, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
