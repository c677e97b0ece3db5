from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch")

from soundseek.lab.recipe_files import validated
from soundseek.lab.retrieval.ensemble import EnsembleRecipe
from soundseek.lab.retrieval.ensemble_rehearsal import rehearse_ensemble
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab


def ensemble(folder: Path, document: Document, **changes: object) -> EnsembleRecipe:
    file = folder / "member.yaml"
    file.write_text(yaml.safe_dump(json.loads(json.dumps(document))), encoding="utf-8")
    members = [
        {"recipe": str(file), "seeds": [1, 2], "folds": 2},
        {"recipe": str(file), "seeds": [5], "difference": {"name": "b", "space": {"dimension": 6}}},
    ]
    plain = {"system": "ensemble", "name": "e", "description": "for tests", "members": members}
    return validated(EnsembleRecipe, {**plain, **changes}, "test")


def test_each_kind_of_member_is_rehearsed_once(tmp_path: Path, document: Document) -> None:
    said: list[str] = []
    recipe = ensemble(tmp_path, document)
    found = rehearse_ensemble(recipe, tmp_path / "run", said.append)
    assert found.problems == ()
    assert [len(kind.members) for kind in found.kinds] == [4, 1]
    assert sum(line.startswith("member ") for line in said) == 2
    four, one = (kind.rehearsal.seconds for kind in found.kinds)  # type: ignore[union-attr]
    assert four is not None
    assert one is not None
    assert found.seconds == pytest.approx(4 * four + one)
    assert not (tmp_path / "run").exists()
    json.dumps(found.document(), allow_nan=False)
    told = "\n".join(found.lines())
    assert "5 members of 2 kinds" in told
    assert "and 3 like it" in told


def test_what_every_member_lacks_is_told_once(tmp_path: Path, document: Document) -> None:
    nowhere = [{"corpus": "clips", "root": "/nowhere/clips"}]
    recipe = ensemble(tmp_path, document, difference={"data": {"train": nowhere}})
    found = rehearse_ensemble(recipe, None, silent)
    (problem,) = found.problems
    assert "/nowhere/clips" in problem.message
    assert found.seconds is None
    list(found.lines())


def test_a_member_that_compares_captions_takes_no_time(tmp_path: Path, document: Document) -> None:
    read = {"system": "caption_match", "name": "read", "description": "d", "compare": "cider"}
    read |= {"data": {"test": document["data"]["test"]}, "captions": "/nowhere.csv"}
    (tmp_path / "read.yaml").write_text(yaml.safe_dump(read), encoding="utf-8")
    members = [*ensemble(tmp_path, document).model_dump()["members"][:1]]
    members.append({"recipe": str(tmp_path / "read.yaml")})
    found = rehearse_ensemble(ensemble(tmp_path, document, members=members), None, silent)
    (problem,) = found.problems
    assert "no captions at /nowhere.csv" in problem.message
    four, nothing = (kind.seconds for kind in found.kinds)
    assert nothing == 0.0
    assert found.seconds == four
    json.dumps(found.document(), allow_nan=False)
    assert "compared by cider" in "\n".join(found.lines())
