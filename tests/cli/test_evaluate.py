from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from soundseek.metrics.dcase import write_ranked, write_scores
from support.command_line import succeeded, typed

FILES = [f"{i}.wav" for i in range(30)]
QUERIES = [f"sound {i}, {part}" for i in range(30) for part in ("near", "far")]
OWN = np.arange(60) // 2
WORDS = ("evaluate", "retrieval", "--truth", "truth.csv", "--predictions")


def scores(seed: int, skill: float) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((60, 30))
    noise[np.arange(60), OWN] += skill
    return noise


@pytest.fixture(autouse=True)
def files(home: Path) -> Path:
    """A truth, and two systems' answers in both layouts; "good" is better than "bad"."""
    lines = [f'{name},"{QUERIES[2 * i]}","{QUERIES[2 * i + 1]}"' for i, name in enumerate(FILES)]
    text = "\n".join(["file_name,caption_1,caption_2", *lines])
    (home / "truth.csv").write_text(text, encoding="utf-8")
    for name, skill in (("good", 3.0), ("bad", 1.0)):
        write_scores(home / f"{name}_scores.csv", QUERIES, FILES, scores(0, skill))
        write_ranked(home / f"{name}.csv", QUERIES, FILES, scores(0, skill))
    return home


def test_ranked_names_as_json() -> None:
    found = json.loads(succeeded(*WORDS, "good.csv", "--json"))
    assert set(found) == {"n", "metrics"}
    assert found["n"] == 60
    assert {"R@1", "R@5", "R@10", "mAP@10"} <= set(found["metrics"])
    assert "mAP@16" not in found["metrics"]
    place = (scores(0, 3.0) >= scores(0, 3.0)[np.arange(60), OWN][:, None]).sum(axis=1)
    for k in (1, 5, 10):
        figure = found["metrics"][f"R@{k}"]
        assert figure["value"] == pytest.approx((place <= k).mean(), abs=1e-6)
        assert figure["ci95"][0] <= figure["value"] <= figure["ci95"][1]
    expected = np.where(place <= 10, 1 / place, 0).mean()
    assert found["metrics"]["mAP@10"]["value"] == pytest.approx(expected, abs=1e-6)


def test_a_matrix_gives_the_same_and_more() -> None:
    ranked = json.loads(succeeded(*WORDS, "bad.csv", "--json"))["metrics"]
    matrix = json.loads(succeeded(*WORDS, "bad_scores.csv", "--json"))["metrics"]
    assert list(matrix) == ["R@1", "R@5", "R@10", "mAP@10", "mAP@16", "medR"]
    assert matrix["medR"]["ci95"] is None
    assert {name: matrix[name] for name in ranked} == ranked


def test_a_table_for_people_and_a_note_of_what_is_left_out() -> None:
    result = typed(*WORDS, "good.csv")
    assert result.exit_code == 0
    heading, columns, *rows = result.stdout.splitlines()
    assert heading == "text to audio: 60 texts among 30 files"
    assert columns.split() == ["value", "95", "%", "interval"]
    assert [row.split()[0] for row in rows] == ["R@1", "R@5", "R@10", "mAP@10", "medR"]
    assert "good.csv names 10 files a text, too few for mAP@16" in result.stderr
    assert "too few" not in typed(*WORDS, "good_scores.csv").stderr


def test_both_directions() -> None:
    both = json.loads(succeeded(*WORDS, "good_scores.csv", "--direction", "both", "--json"))
    assert (both["n"], both["audio_to_text"]["n"]) == (60, 30)
    assert "mAP@10" in both["audio_to_text"]["metrics"]
    alone = json.loads(
        succeeded(*WORDS, "good_scores.csv", "--direction", "audio-to-text", "--json")
    )
    assert alone == {"audio_to_text": both["audio_to_text"]}
    shown = succeeded(*WORDS, "good_scores.csv", "--direction", "both")
    assert "audio to text: 30 files among 60 texts" in shown


def test_ranked_names_do_not_rank_texts() -> None:
    result = typed(*WORDS, "good.csv", "--direction", "both", "--per-query", "each.csv")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "texts cannot be ranked" in result.stderr
    assert not Path("each.csv").exists()


def test_compare() -> None:
    words = [*WORDS, "good_scores.csv", "--compare", "bad.csv", "--json"]
    comparison = json.loads(succeeded(*words))["comparison"]
    assert comparison["predictions"] == "bad.csv"
    assert list(comparison["differences"]) == ["R@1", "R@5", "R@10", "mAP@10"]
    difference = comparison["differences"]["mAP@10"]
    assert difference["ci95"][0] > 0
    assert difference["p"] < 0.01
    assert not difference["exact"]
    assert json.loads(succeeded(*words, "--seed", "1"))["comparison"] == comparison
    same = json.loads(succeeded(*WORDS, "bad.csv", "--compare", "bad.csv", "--json"))
    assert same["comparison"]["differences"]["R@1"]["p"] == 1.0
    shown = succeeded(*words[:-1])
    assert "difference" in shown
    assert "mAP@16" in shown


def test_columns_in_another_order_are_compared_file_by_file() -> None:
    backwards = list(range(30))[::-1]
    names = [FILES[i] for i in backwards]
    write_scores(Path("turned.csv"), QUERIES, names, scores(0, 3.0)[:, backwards])
    words = ["--compare", "turned.csv", "--direction", "both", "--json"]
    found = json.loads(succeeded(*WORDS, "good_scores.csv", *words))
    for part in (found, found["audio_to_text"]):
        for difference in part["comparison"]["differences"].values():
            assert difference["differing"] == 0


@pytest.mark.parametrize("name", ["good.csv", "good_scores.csv"])
def test_per_query(name: str) -> None:
    result = typed(*WORDS, name, "--per-query", "each.csv")
    assert result.exit_code == 0
    assert "per query: each.csv" in result.stderr
    with Path("each.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    for i, row in enumerate(rows):
        assert row["query"] == QUERIES[i]
        assert json.loads(row["relevant"]) == [FILES[OWN[i]]]
        first_ten = [row[f"file_name_{k}"] for k in range(1, 11)]
        rank = row["rank"]
        if FILES[OWN[i]] in first_ten:
            assert first_ten[int(rank) - 1] == FILES[OWN[i]]
            assert float(row["AP@10"]) == pytest.approx(1 / int(rank), abs=1e-6)
        else:
            assert rank == "" if name == "good.csv" else int(rank) > 10
            assert float(row["AP@10"]) == 0.0


def test_several_relevant_files() -> None:
    lines = ["query,audio_filenames", "\"sound 0, near\",\"['0.wav', '1.wav']\""]
    Path("truth.csv").write_text("\n".join(lines), encoding="utf-8")
    assert "does not ask" in typed(*WORDS, "good_scores.csv").stderr
    words = [*WORDS, "good_scores.csv", "--allow-extra", "--json"]
    found = json.loads(succeeded(*words))
    assert found["n"] == 1
    assert found["metrics"]["R@1"]["ci95"] is None
    result = typed(*words, "--compare", "bad.csv")
    assert json.loads(result.stdout)["comparison"]["differences"]["R@1"]["ci95"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*WORDS, "truth.csv"], "truth.csv holds no predictions: its header begins 'file_name'"),
        ([*WORDS, "no.csv"], "no.csv"),
        ([*WORDS, "good.csv", "--compare", "no.csv"], "no.csv"),
        ([*WORDS, "good.csv", "--per-query", "no/each.csv"], "there is no folder no"),
        (
            [*WORDS, "good_scores.csv", "--direction", "audio-to-text", "--per-query", "x.csv"],
            "--per-query is about texts",
        ),
        (["evaluate", "retrieval", "--truth", "good.csv", "--predictions", "x"], "no truth file"),
    ],
)
def test_errors_end_with_2_and_leave_stdout_empty(words: list[str], message: str) -> None:
    result = typed(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
