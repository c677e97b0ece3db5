from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.lab.data.waveforms import FileWaveforms
from soundseek.lab.training.decoded import decoded_part
from soundseek.lab.training.settings import Run
from support.command_line import write_sound
from support.retrieval import noise

pytestmark = pytest.mark.lab


def test_what_cannot_be_decoded_is_told_and_left_out(
    make_clip: Callable[..., Any], tmp_path: Path
) -> None:
    write_sound(tmp_path / "good.wav", noise(1.0, 16_000))
    (tmp_path / "bad.wav").write_text("no sound")
    clips = [make_clip(name, path=str(tmp_path / f"{name}.wav")) for name in ("bad", "good")]
    said: list[str] = []
    kept, store, unreadable = decoded_part(
        "training", clips, 16_000, Run(), tmp_path / "cache", said.append
    )
    assert [clip.id for clip in kept] == ["good"]
    assert store.length(0) == 16_000
    assert list(unreadable) == ["bad"]
    assert said[0] == "decoding 2 clips of training (once)"
    assert said[1].startswith("left out bad: ")
    assert said[2] == "1 of 2 clips of training are left out"


def test_when_needed_nothing_is_decoded_ahead(
    make_clip: Callable[..., Any], tmp_path: Path
) -> None:
    clips = [make_clip("nowhere")]
    said: list[str] = []
    run = Run(decode="when_needed")
    kept, store, unreadable = decoded_part("test", clips, 16_000, run, tmp_path, said.append)
    assert kept == clips
    assert isinstance(store, FileWaveforms)
    assert not unreadable
    assert not said
