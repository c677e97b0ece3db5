from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseek.lab.data.hygiene import Finding, check
from support.corpora import RATE, make_clip, write_wav

pytestmark = pytest.mark.lab


def found(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    return [finding.clips for finding in findings]


def test_a_clean_manifest_has_no_findings(tmp_path: Path) -> None:
    clips = [
        make_clip(
            str(n),
            f"text {n}",
            path=str(write_wav(tmp_path / f"{n}.wav", seed=n)),
            freesound_id=str(n),
            split="train" if n < 2 else "test",
            sample_rate=RATE,
        )
        for n in range(3)
    ]
    report = check(clips, deep=True)
    assert {kind: found for kind, found in report.findings().items() if found} == {}
    assert (report.failures, report.without_freesound_id) == (0, 0)
    assert report.sample_rates == {str(RATE): 3}
    assert report.duration_quantiles_s["0.5"] == 2.0


def test_missing_and_corrupt_sounds_are_failures(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFF of nothing")
    clips = [make_clip("gone"), make_clip("bad", path=str(tmp_path / "bad.wav"))]
    report = check(clips)
    assert (found(report.missing), found(report.corrupt)) == ([("gone",)], [("bad",)])
    assert report.failures == 2
    assert check(clips, sounds=False).failures == 0


def test_only_deep_finds_sounds_that_break_off_and_silence(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "whole.flac", 4.0)
    cut = tmp_path / "cut.flac"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 4])
    soundfile.write(tmp_path / "zero.wav", np.zeros(RATE), RATE)
    clips = [make_clip(p.stem, path=str(p)) for p in (whole, cut, tmp_path / "zero.wav")]
    assert check(clips).failures == 0
    report = check(clips, deep=True)
    assert (found(report.corrupt), found(report.silent)) == ([("cut",)], [("zero",)])
    assert "breaks off at" in report.corrupt[0].subject


def test_files_of_the_same_bytes_are_duplicates(tmp_path: Path) -> None:
    first = write_wav(tmp_path / "a.wav")
    shutil.copy(first, tmp_path / "copy.wav")
    other = write_wav(tmp_path / "same_size.wav", seed=1)
    clips = [make_clip(p.stem, path=str(p)) for p in (first, tmp_path / "copy.wav", other)]
    part = make_clip("part", path=str(first), start_s=0.2)
    assert found(check([*clips, part]).duplicates) == [("a", "copy")]


def test_what_crosses_splits() -> None:
    clips = [
        make_clip("a", "rain", path="/train/x.wav", freesound_id="7", group="g"),
        make_clip("b", "Rain!", path="/test/x.wav", freesound_id="7.0", group="g", split="test"),
        make_clip("c", "wind", path="/else/x.wav", source="other"),
        make_clip("d", "wind", path="/y.wav", freesound_id="7"),
    ]
    report = check(clips, sounds=False)
    assert found(report.freesound_ids_crossing) == [("a", "b", "d")]
    assert found(report.file_names_crossing) == [("a", "b")]
    assert found(report.captions_crossing) == [("a", "b")]
    assert found(report.groups_crossing) == [("a", "b")]
    assert report.without_freesound_id == 1


def test_ids_that_are_none_cross_nothing() -> None:
    clips = [
        make_clip("a", freesound_id="Not found"),
        make_clip("b", freesound_id="Not found", split="test"),
    ]
    report = check(clips, sounds=False)
    assert (report.freesound_ids_crossing, report.without_freesound_id) == ((), 2)


def test_shared_captions_within_and_across_groups() -> None:
    clips = [
        make_clip("a", "rain", group="wet"),
        make_clip("b", "rain", group="wet"),
        make_clip("c", "wind"),
        make_clip("d", "wind"),
    ]
    report = check(clips, sounds=False)
    assert [one.subject for one in report.captions_shared] == ["rain", "wind"]
    assert found(report.captions_shared_across_groups) == [("c", "d")]


def test_captions_that_are_none() -> None:
    report = check([make_clip("a"), make_clip("b", "rain", " . ")], sounds=False)
    assert found(report.without_captions) == [("a",)]
    assert found(report.empty_captions) == [("b",)]


def test_the_report_as_a_document() -> None:
    document = check([make_clip("gone")]).to_dict()
    assert document["failures"] == 1
    assert document["missing"] == [{"subject": "/gone.wav: no such file", "clips": ["gone"]}]


def test_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    check([make_clip("a")], on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 1)]
