from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.lab.recipe_files import merged
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.systems import find_batch, recipe_of, rehearse
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab


def test_an_embedded_model(
    recipe_document: dict[str, Any],
    unlabelled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from soundseek.errors import RecipeError
    from soundseek.lab.teachers import yamnet

    document = merged(recipe_document, {"data": {"unlabelled": [str(unlabelled)]}})
    recipe = recipe_of(document, "test")
    (problem,) = rehearse(recipe, tmp_path / "run", silent).problems
    assert "teacher's weights" in problem.message
    monkeypatch.setattr(yamnet, "load_yamnet", lambda path: None)
    found = rehearse(recipe, tmp_path / "run", silent)
    assert found.problems == ()
    told = "\n".join(found.lines())
    assert "train: 6 clips" in told
    assert "without captions: 3 clips" in told
    assert "no step made" in told
    assert not (tmp_path / "run").exists()
    RunFolder.claim(tmp_path / "run", recipe)
    changes = {
        "seed": 9,
        "data": {"tiers": ["none"], "unlabelled": ["/nowhere"]},
        "run": {"device": "cuda:99"},
    }
    other = recipe_of(merged(recipe_document, changes), "test")
    problems = rehearse(other, tmp_path / "run", silent).problems
    places = [one.where for one in problems]
    assert places == ["--out", "data.tiers", "data.tiers", "data.unlabelled", "run.device"]
    with pytest.raises(RecipeError, match="cannot be tried"):
        find_batch(recipe, silent)


def test_captions_that_were_generated(document: Document, synthetic: Path, tmp_path: Path) -> None:
    written = tmp_path / "written.csv"
    written.write_text("id,caption\nunknown,a sound\n", encoding="utf-8")
    plain = {key: document[key] for key in ("name", "description", "seed", "data", "text")}
    plain |= {"system": "caption_match", "captions": str(written)}
    (problem,) = rehearse(recipe_of(plain, "test"), tmp_path / "run", silent).problems
    assert "has no caption for 5 of 5 clips" in problem.message
    found = rehearse(recipe_of(plain | {"captions": "/nowhere.csv"}, "test"), None, silent)
    assert [one.where for one in found.problems] == ["captions"]
    json.dumps(found.document())
    rows = [json.loads(line) for line in (synthetic / "clips.jsonl").read_text().splitlines()]
    lines = ["id,caption", *(f"{row['id']},a sound" for row in rows)]
    written.write_text("\n".join(lines), encoding="utf-8")
    found = rehearse(recipe_of(plain, "test"), None, silent)
    assert found.problems == ()
    told = "\n".join(found.lines())
    assert "nothing is trained" in told
    assert "5 captions, 1 different ones" in told
    assert "text encoder small_transformer is there" in told
    for compare, there in (("cider", "by cider"), ("bm25", "by bm25"), ("bundle", "embedded")):
        changed = plain | {"compare": compare, "text": None}
        found = rehearse(recipe_of(changed, "test"), None, silent)
        assert found.problems == ()
        assert there in "\n".join(found.lines())
    changed = plain | {"compare": "bundle", "text": None, "bundle": "/nowhere.soundseek"}
    (problem,) = rehearse(recipe_of(changed, "test"), None, silent).problems
    assert problem.where == "bundle"
    assert "/nowhere.soundseek" in problem.message
