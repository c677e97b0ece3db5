from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from soundseek.errors import DataError
from soundseek.lab.captioning.evaluation import run_captions
from soundseek.lab.retrieval.recipe import Source
from support.captioning_runs import untrained_run
from support.retrieval import silent

pytestmark = pytest.mark.lab


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, Any]:
    return tmp_path / "run", untrained_run(
        tmp_path / "run", "cmu2022/captioning_baseline", tmp_path / "sounds"
    )


def test_captions_that_a_run_keeps_are_read(run: tuple[Path, Any]) -> None:
    (run[0] / "captions.csv").write_text(
        "id,prediction,reference_1,reference_2\na,kept,one,two\nb,too,one,\n", encoding="utf-8"
    )
    found = run_captions(run[0], silent)
    assert found.predictions == {"a": "kept", "b": "too"}
    assert found.references == {"a": ["one", "two"], "b": ["one"]}


def test_else_the_model_writes_them(run: tuple[Path, Any]) -> None:
    (source,) = run[1].data.test
    test = run_captions(run[0], silent)
    assert len(test.predictions) == 8
    assert list(test.predictions) == list(test.references)
    assert all(len(texts) == 3 for texts in test.references.values())
    validation = run_captions(run[0], silent, part="validation")
    assert not set(validation.predictions) & set(test.predictions)
    (run[0] / "captions.csv").write_text("id,prediction,reference_1\na,b,c\n", encoding="utf-8")
    again = run_captions(run[0], silent, [Source(**source.model_dump())])
    assert again == test


def test_without_clips_or_a_model(tmp_path: Path, run: tuple[Path, Any]) -> None:
    (run[0] / "best.pt").unlink()
    with pytest.raises(DataError, match=r"best\.pt is missing"):
        run_captions(run[0], silent)
    folder = tmp_path / "empty"
    untrained_run(folder, "cmu2022/captioning_baseline", tmp_path / "sounds")
    text = (folder / "recipe.json").read_text(encoding="utf-8")
    (folder / "recipe.json").write_text(
        text.replace('"test": [', '"test": [], "train": ['), "utf-8"
    )
    with pytest.raises(DataError, match="there is no test set"):
        run_captions(folder, silent)
