from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundseek.errors import DataError
from soundseek.lab.ensembling.sources import distinct_members, member_similarities
from soundseek.lab.similarities import Similarities
from support.similarities import made, noisy


def opened(path: Path, part: str = "test", **named: Any) -> Similarities:
    work = path.parent / "work"
    work.mkdir(exist_ok=True)
    return member_similarities(path, part, work=work, **named)


def test_a_run_that_keeps_its_similarities(tmp_path: Path) -> None:
    kept = {part: noisy(seed) for seed, part in enumerate(("test", "validation"))}
    for part, found in kept.items():
        found.save(tmp_path / "run" / "similarities" / part)
    for part, found in kept.items():
        for named in (tmp_path / "run", tmp_path / "run" / "similarities" / "test"):
            there = opened(named, part)
            assert isinstance(there.scores, np.memmap)
            assert np.array_equal(there.scores, found.scores)


def test_a_folder_of_similarities_of_any_name_is_a_test_set(tmp_path: Path) -> None:
    noisy(1).save(tmp_path / "mine")
    assert len(opened(tmp_path / "mine").queries) == 24
    with pytest.raises(DataError, match="no similarities of validation beside it"):
        opened(tmp_path / "mine", "validation")


def test_what_cannot_be_a_member(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is nothing at .*gone\n.*name run folders"):
        opened(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty is no run and no folder of similarities"):
        opened(tmp_path / "empty")
    noisy(1).save(tmp_path / "joined" / "similarities" / "test")
    with pytest.raises(DataError, match="keeps no similarities of validation, and holds no run"):
        opened(tmp_path / "joined", "validation")


def test_a_member_is_named_once(tmp_path: Path) -> None:
    distinct_members([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(DataError, match=r"a is named twice .*\n.*--weights"):
        distinct_members([tmp_path / "a", tmp_path / "b" / ".." / "a"])


def table(path: Path, scores: np.ndarray) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["index", *(f"c{i}.wav" for i in range(scores.shape[1]))])
        writer.writerows([f"q{i}", *row] for i, row in enumerate(scores.tolist()))
    return path


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.csv"
    path.write_text("file_name,caption_1\nc1.wav,q1\nc0.wav,q0\n", encoding="utf-8")
    return path


def test_a_table_of_scores(tmp_path: Path, truth: Path) -> None:
    pytest.importorskip("soundseek.metrics.dcase")
    scores = np.array([[0.5, 0.25], [1.0, -2.0]])
    found = opened(table(tmp_path / "a.csv", scores), truth=truth)
    assert isinstance(found.scores, np.memmap)
    assert list(found.queries) == ["q1", "q0"]
    assert [clip.id for clip in found.clips] == ["c0.wav", "c1.wav"]
    assert np.array_equal(found.scores, scores[::-1])
    assert found.relevant.tolist() == [[False, True], [True, False]]
    # Beside a run, whose clips have other ids and the same files.
    from soundseek.lab.ensembling.join import joined

    both = joined({"run": made(np.zeros((2, 2))), "table": found}).similarities()
    assert np.array_equal(both.scores, scores / 2)


def test_a_table_needs_a_truth_and_has_one_part(tmp_path: Path, truth: Path) -> None:
    path = table(tmp_path / "a.csv", np.eye(2))
    with pytest.raises(DataError, match=r"nothing says what is relevant\n.*--truth FILE"):
        opened(path)
    with pytest.raises(DataError, match="no validation part"):
        opened(path, "validation", truth=truth)


def test_ranked_names_hold_no_scores(tmp_path: Path, truth: Path) -> None:
    pytest.importorskip("soundseek.metrics.dcase")
    path = tmp_path / "a.csv"
    path.write_text("caption,file_name_1\nq0,c0.wav\nq1,c1.wav\n", encoding="utf-8")
    with pytest.raises(DataError, match="no scores to join"):
        opened(path, truth=truth)


JOINED = """
import sys
from pathlib import Path
from soundseek.lab.ensembling.ensemble import Settings, ensemble
ensemble([Path("a"), Path("b")], Path("c"), Settings(greedy=True), say=lambda line: None)
print(sorted({"torch", "transformers", "pydantic", "yaml", "pyarrow", "scipy"} & set(sys.modules)))
"""


def test_what_is_kept_is_joined_without_torch(tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        for part in ("test", "validation"):
            noisy(seed).save(tmp_path / name / "similarities" / part)
    done = subprocess.run(
        [sys.executable, "-c", JOINED], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
