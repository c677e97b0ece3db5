from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundseek.errors import DataError
from soundseek.lab.ensembling import ensemble as module
from soundseek.lab.ensembling.ensemble import Settings, ensemble
from soundseek.lab.ensembling.join import joined
from soundseek.lab.evaluate import plain
from soundseek.lab.similarities import Similarities, open_similarities
from support.retrieval import silent
from support.similarities import made, noisy, shuffled


def run(folder: Path, seed: int, **parts: Similarities) -> Path:
    for part in ("test", "validation"):
        found = parts.get(part, noisy(seed + 100 * (part == "validation"), noise=1 + seed / 2))
        found.save(folder / "similarities" / part)
    return folder


@pytest.fixture
def members(tmp_path: Path) -> list[Path]:
    other = shuffled(noisy(2, noise=2), 7)
    return [run(tmp_path / "a", 0), run(tmp_path / "b", 1), run(tmp_path / "c", 2, test=other)]


def of(found: list[Path], part: str = "test") -> dict[str, Similarities]:
    return {str(path): open_similarities(path / "similarities" / part) for path in found}


def test_it_leaves_a_folder_that_says_all(members: list[Path], tmp_path: Path) -> None:
    settings = Settings(scale="zscore", weights=(1.0, 2.0, 1.0))
    told = ensemble(members, tmp_path / "out", settings, say=silent)
    expected = joined(of(members), scale="zscore", weights=(1, 2, 1))
    assert told["metrics"] == plain(expected.metrics())
    assert told["n"] == 24
    assert told["clips"] == 12
    assert told["selection"] is None
    assert [member["weight"] for member in told["members"]] == [0.25, 0.5, 0.25]
    for member, found in zip(told["members"], of(members).values(), strict=True):
        assert member["metrics"] == plain(found.metrics())
    out = tmp_path / "out"
    assert json.loads((out / "ensemble.json").read_text(encoding="utf-8")) == told
    assert sorted(path.name for path in out.iterdir()) == [
        "ensemble.json",
        "predictions.csv",
        "similarities",
    ]
    kept = open_similarities(out / "similarities" / "test")
    assert np.array_equal(kept.scores, expected.similarities().scores)
    with (out / "predictions.csv").open(encoding="utf-8", newline="") as file:
        header, first, *_ = csv.reader(file)
    assert header == ["caption", *(f"file_name_{i}" for i in range(1, 11))]
    assert first[:2] == ["q0", f"c{int(kept.scores[0].argmax())}.wav"]


def test_selection_is_made_on_validation_and_scored_on_test(
    members: list[Path], tmp_path: Path
) -> None:
    told = ensemble(members, tmp_path / "out", Settings(greedy=True), say=silent)
    rounds = told["selection"]["rounds"]
    weights = [member["weight"] for member in told["members"]]
    taken = [sum(one["member"] == str(path) for one in rounds) for path in members]
    assert weights == pytest.approx([count / len(rounds) for count in taken])
    assert told["metrics"] == plain(joined(of(members), weights=weights).metrics())
    validation = joined(of(members, "validation"), weights=weights).metrics()
    assert rounds[-1]["value"] == pytest.approx(validation["mAP@10"].value, abs=1e-5)
    # It can be a member of another one, selection and all.
    again = ensemble(
        [tmp_path / "out", members[0]], tmp_path / "again", Settings(greedy=True), say=silent
    )
    assert again["members"][0]["metrics"] == told["metrics"]


def test_by_embeddings_scores_stand_beside(members: list[Path], tmp_path: Path) -> None:
    told = ensemble(members, tmp_path / "out", Settings(by="embeddings"), say=silent)
    assert told["scale"] is None
    assert told["metrics"] == plain(joined(of(members), by="embeddings").metrics())
    assert told["by_similarities"]["metrics"] == plain(joined(of(members)).metrics())
    assert open_similarities(tmp_path / "out" / "similarities" / "test").audio is not None


def test_on_the_validation_part(members: list[Path], tmp_path: Path) -> None:
    for settings in (Settings(), Settings(greedy=True)):
        told = ensemble(members, tmp_path / "out", settings, part="validation", say=silent)
        assert told["part"] == "validation"
        kept = tmp_path / "out" / "similarities"
        assert [path.name for path in kept.iterdir()] == ["validation"]


def test_wrong_members(members: list[Path], tmp_path: Path) -> None:
    a, b, _ = members
    other = run(tmp_path / "other", 3, test=made(np.zeros((3, 3))))
    for named, said in (
        ([a], "two members or more, and 1"),
        ([a, b, a], "a is named twice"),
        ([a, other], "other lacks .* clips of .*a, the first is c3"),
        ([a, tmp_path / "gone"], "nothing at"),
    ):
        with pytest.raises(DataError, match=said):
            ensemble(named, tmp_path / "out", Settings(), say=silent)
    noisy(4).save(tmp_path / "half" / "similarities" / "test")
    with pytest.raises(DataError, match="half keeps no similarities of validation"):
        ensemble([a, tmp_path / "half"], tmp_path / "out", Settings(greedy=True), say=silent)
    with pytest.raises(DataError, match="give no others"):
        ensemble([a, b], tmp_path / "out", Settings(greedy=True, weights=(1, 2)), say=silent)
    assert not list(tmp_path.glob("out*"))


def test_a_place_that_is_taken(members: list[Path], tmp_path: Path) -> None:
    for out in (members[0], tmp_path):
        with pytest.raises(DataError, match="would be written anew"):
            ensemble(members, out, Settings(), say=silent)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine", encoding="utf-8")
    for taken in (tmp_path / "notes", tmp_path / "notes" / "mine.txt"):
        with pytest.raises(DataError, match="is taken, and holds no ensemble"):
            ensemble(members, taken, Settings(), say=silent)
    (tmp_path / "new").mkdir()
    ensemble(members, tmp_path / "new", Settings(), say=silent)
    told = ensemble(members[:2], tmp_path / "new", Settings(scale="rank"), say=silent)
    assert len(told["members"]) == 2


def test_a_killed_one_leaves_the_one_before(
    members: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    ensemble(members, out, Settings(), say=silent)
    before = (out / "ensemble.json").read_bytes()

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_predictions", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensemble(members, out, Settings(scale="rank"), say=silent)
    assert (out / "ensemble.json").read_bytes() == before
    assert not list(tmp_path.glob("*.partial"))
