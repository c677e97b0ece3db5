from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from soundseek.metrics.captions import meteor
from soundseek.metrics.captions.java import JavaError
from soundseek.metrics.captions.meteor import Meteor
from support.captions import program

SAID = ["a dog barks", "", "日本 ||| naïve “x”", "line\nend", "x"]
ASKED = [
    ["a dog is barking", "the dog barks"],
    ["rain"],
    ["日本 naïve “x”", "b ||| c"],
    ["line end"],
    ["rain falls"],
]


@pytest.mark.slow
def test_scores_of_the_program_and_of_the_formula(
    java: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "POSIX")
    with Meteor(java) as machine:
        found = machine.score(SAID, ASKED)
        again = machine.score(SAID[::-1], ASKED[::-1])
    assert found.per_clip[[1, 4]].tolist() == [0.0, 0.0]
    assert found.per_clip[[2, 3]] == pytest.approx([1.0, 1.0])
    assert 0.3 < found.per_clip[0] < 1.0
    assert again.per_clip[::-1].tolist() == found.per_clip.tolist()
    assert meteor.scores(found.statistics) == pytest.approx(found.per_clip, abs=1e-12)
    whole = found.statistics.sum(axis=0)
    assert float(meteor.scores(whole)) == pytest.approx(found.corpus, abs=1e-12)


def test_the_formula_by_hand() -> None:
    # Three words, of which one is a function word, all matched exactly in two chunks.
    row = np.zeros(23)
    row[:4] = 3, 4, 1, 1
    row[4:8] = 2, 2, 1, 1
    row[20:] = 2, 3, 3
    recall = (0.75 * 2 + 0.25) / (0.75 * 3 + 0.25)
    mean = recall / (0.15 * recall + 0.85)
    expected = mean * (1 - 0.6 * (2 / 3) ** 0.2)
    assert float(meteor.scores(row)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.stdin.readline(); sys.stderr.write('no heap'); sys.exit(1)", "ended with 1: no heap"),
        ("sys.stdin.readline(); os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9"),
        ("[print('a\\nb', flush=True) for line in sys.stdin]", "no number"),
        (
            "[print('1 2' if 'SCORE' in line else '1\\n1', flush=True) for line in sys.stdin]",
            "not as expected",
        ),
    ],
)
def test_a_program_that_breaks(tmp_path: Path, body: str, message: str) -> None:
    fake = program(tmp_path / "java", body)
    with Meteor(str(fake)) as machine, pytest.raises(JavaError, match=message):
        machine.score(["a"], [["b"]])


def test_a_program_that_reads_nothing_and_complains_a_lot(tmp_path: Path) -> None:
    """Neither pipe may fill up and stop both sides."""
    fake = program(tmp_path / "java", "sys.stderr.write('x' * 10**6); sys.exit(1)")
    with Meteor(str(fake)) as machine, pytest.raises(JavaError, match="ended with 1"):
        machine.score(["word " * 1000] * 200, [["b"]] * 200)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(JavaError, match="cannot be started"):
        Meteor(str(tmp_path / "java"))


def test_it_ends_with_the_block(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    body = f"open({str(note)!r}, 'w').write(str(os.getpid())); sys.stdin.read()"
    fake = program(tmp_path / "java", body)
    with Meteor(str(fake)):
        while not note.is_file() or not note.read_text():
            pass
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
