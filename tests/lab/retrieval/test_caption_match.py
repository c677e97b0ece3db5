from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError, RecipeError
from soundseek.lab.retrieval.caption_match import CaptionMatchRecipe, read_generated, train
from support.retrieval import Document, rows, silent

pytestmark = pytest.mark.lab


@pytest.fixture
def clips(synthetic: Path) -> list[Document]:
    """The lines of the test clips."""
    lines = [json.loads(line) for line in (synthetic / "clips.jsonl").read_text().splitlines()]
    return [line for line in lines if line["split"] == "test"]


def recipe_for(document: Document, captions: Path) -> Any:
    return CaptionMatchRecipe.model_validate(
        {
            "system": "caption_match",
            "name": "test/match",
            "description": "d",
            "seed": 1,
            "data": {"test": document["data"]["test"]},
            "captions": str(captions),
            "text": {"encoder": "word_vectors", "weights": "random", "options": {"dimension": 64}},
        }
    )


def written(path: Path, header: str, lines: list[str]) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_the_right_captions_find_their_sounds_in_both_layouts(
    clips: list[Document], document: Document, tmp_path: Path
) -> None:
    """Commas and ids; and tabs and file names, as the captioning baseline writes them."""
    by_id = [f'{clip["id"]},"{clip["captions"][0]}"' for clip in clips]
    by_file = [f"{Path(clip['file']).name}\t{clip['captions'][0]}" for clip in clips]
    files = [
        written(tmp_path / "a.csv", "id,caption", by_id),
        written(tmp_path / "b.csv", "file_name\tcaption_predicted", by_file),
    ]
    told = []
    for number, file in enumerate(files):
        folder = tmp_path / f"run{number}"
        assert train(recipe_for(document, file), folder, silent) == folder / "scores.json"
        scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        assert (scores["clips"], scores["n"]) == (5, 15)
        assert scores["metrics"]["R@1"]["value"] > 0.9
        told.append((scores["metrics"], rows(folder / "predictions.csv")))
    assert told[0] == told[1]


def test_captions_of_other_sounds_do_not(
    clips: list[Document], document: Document, tmp_path: Path
) -> None:
    lines = [
        f'{clip["id"]},"{other["captions"][0]}"'
        for clip, other in zip(clips, clips[1:] + clips[:1], strict=True)
    ]
    file = written(tmp_path / "a.csv", "id,prediction", lines)
    train(recipe_for(document, file), tmp_path / "run", silent)
    scores = json.loads((tmp_path / "run" / "scores.json").read_text(encoding="utf-8"))
    assert scores["metrics"]["R@1"]["value"] < 0.2


@pytest.mark.parametrize("left", ["missing", "empty", "short"])
def test_a_clip_without_a_caption_is_told(
    clips: list[Document], document: Document, tmp_path: Path, left: str
) -> None:
    lines = [f"{clip['id']},{clip['captions'][0]}" for clip in clips]
    lines[2] = {"missing": "", "empty": f"{clips[2]['id']}, ", "short": clips[2]["id"]}[left]
    file = written(tmp_path / "a.csv", "id,caption", [line for line in lines if line])
    with pytest.raises(DataError, match=rf"no caption for 1 of 5 clips, such as {clips[2]['id']}"):
        train(recipe_for(document, file), tmp_path / "run", silent)


def test_another_layout_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "clip,words", ["a,b"])
    with pytest.raises(DataError, match=r"columns clip, words\n.*id or file_name and caption_pred"):
        read_generated(file)
    file.write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"columns \n"):
        read_generated(file)
    with pytest.raises(DataError, match=r"no captions at .*\n.*soundseek caption"):
        read_generated(tmp_path / "none.csv")


def test_captions_hold_commas_quotes_and_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('\ufeffid,caption\na,"rain, and ""wind"""\nb,bell\n', encoding="utf-8")
    assert read_generated(file) == {"a": 'rain, and "wind"', "b": "bell"}


def test_there_must_be_a_test_set(document: Document, tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv", "id,caption", ["a,b"])
    recipe = recipe_for(document, file)
    empty = recipe.model_copy(update={"data": recipe.data.model_copy(update={"test": ()})})
    with pytest.raises(DataError, match=r"there is no test set\n.*data.test"):
        train(empty, tmp_path / "run", silent)
    other = recipe.model_copy(update={"seed": 7})
    (tmp_path / "run" / "scores.json").touch()
    with pytest.raises(RecipeError, match="run of another recipe"):
        train(other, tmp_path / "run", silent)
