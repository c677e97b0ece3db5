from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import soundseek


def modules_after(code: str) -> set[str]:
    """Run `code` in a fresh interpreter and return the names of the modules it has loaded."""
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_importing_soundseek_loads_nothing_but_itself() -> None:
    loaded = modules_after("import soundseek")
    assert {name for name in loaded if name.startswith("soundseek.")} == {"soundseek.errors"}
    assert "numpy" not in loaded


def test_embedding_a_text_loads_what_it_needs_only(tiny_bundle: Path) -> None:
    code = f"import soundseek\nsoundseek.load_bundle({str(tiny_bundle)!r}).encode_text('a tone')"
    loaded = modules_after(code)
    assert {"onnxruntime", "tokenizers"} <= loaded
    assert not loaded & {"soundfile", "soxr", "av", "torch", "transformers", "librosa", "onnx"}


def test_names_of_the_package() -> None:
    from soundseek.bundle.load import load_bundle

    assert soundseek.load_bundle is load_bundle
    assert set(soundseek.__all__) <= set(dir(soundseek))
    assert soundseek.__version__ == metadata.version("soundseek")
    with pytest.raises(AttributeError, match="no attribute 'load_model'"):
        _ = soundseek.load_model  # type: ignore[attr-defined]
