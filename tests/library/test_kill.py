"""An index run that is killed loses nothing that was committed (bench/kill_index.py does more)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from soundseek.library import Library

_SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "kill_index.py"
_FILES = 500


@pytest.fixture
def kill_index() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kill_index", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kill_index"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_five_kills(kill_index: ModuleType, tmp_path: Path, tiny_bundle: Path) -> None:
    sounds, folder = tmp_path / "sounds", tmp_path / "library"
    kill_index.make_sounds(sounds, _FILES)
    seen = list(kill_index.rounds(folder, str(tiny_bundle), sounds, kills=5, longest_s=0.4, seed=1))
    assert [one.problems for one in seen] == [()] * 5
    assert [one.kept for one in seen] == sorted(one.kept for one in seen)
    with Library.open(folder) as library:
        report = library.index([sounds])
        assert report.added == _FILES - seen[-1].kept
        assert library.status().clips == library.status().files == _FILES
        assert library.verify(deep=True).ok
