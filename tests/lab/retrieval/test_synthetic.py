from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("torch")

from soundseek.audio.decode import probe
from soundseek.lab.data.manifest import read_clips_jsonl
from soundseek.lab.retrieval.synthetic import write_synthetic_corpus

pytestmark = pytest.mark.lab


def test_a_corpus_for_trying_things(tmp_path: Path) -> None:
    folder = write_synthetic_corpus(tmp_path / "a", kinds=3)
    clips = read_clips_jsonl(folder / "clips.jsonl")
    assert Counter(clip.split for clip in clips) == {"train": 6, "validation": 3, "test": 3}
    for clip in clips:
        assert len(clip.captions) == 3
        assert probe(clip.path).duration_s == pytest.approx(clip.duration_s, abs=1e-3)
        assert clip.group == f"{clip.label}-{clip.split}"
    assert len({clip.duration_s for clip in clips}) == 3
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    assert write_synthetic_corpus(folder, kinds=3) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")} == written
