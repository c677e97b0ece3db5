from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError, RecipeError
from soundseek.lab.ensembling.ensemble import Settings, ensemble
from soundseek.lab.recipe_files import validated
from soundseek.lab.retrieval.caption_match import CaptionMatchRecipe, train
from soundseek.lab.retrieval.train import train as train_retrieval
from soundseek.lab.similarities import open_similarities
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


def scores_of(run: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    return document


def compared_by(document: Document, captions: Path, **changes: Any) -> Any:
    plain = recipe_for(document, captions).model_dump()
    return validated(CaptionMatchRecipe, plain | {"text": None} | changes, "test")


def test_a_clip_of_which_nothing_is_said_is_told(
    clips: list[Document], document: Document, tmp_path: Path
) -> None:
    lines = [f'{clip["id"]},"{clip["captions"][0]}"' for clip in clips]
    file = written(tmp_path / "a.csv", "id,caption", lines[:2] + lines[3:])
    with pytest.raises(DataError, match=rf"no caption for 1 of 5 clips, such as {clips[2]['id']}"):
        train(recipe_for(document, file), tmp_path / "run", silent)


@pytest.mark.parametrize("compare", ["embedding", "bundle", "cider", "bm25"])
def test_every_comparison_finds_sounds_by_their_captions(
    clips: list[Document], document: Document, tmp_path: Path, compare: str
) -> None:
    lines = [f'{clip["id"]},"{clip["captions"][0]}"' for clip in clips]
    file = written(tmp_path / "a.csv", "id,caption", lines)
    text = recipe_for(document, file).text.model_dump() if compare == "embedding" else None
    recipe = compared_by(document, file, compare=compare, text=text)
    train(recipe, tmp_path / "run", silent)
    assert scores_of(tmp_path / "run")["metrics"]["R@1"]["value"] > 0.6
    kept = open_similarities(tmp_path / "run" / "similarities" / "test")
    if compare in ("cider", "bm25"):
        assert kept.audio is None
    else:
        assert kept.audio is not None
        assert kept.text is not None
        np.testing.assert_allclose(kept.text @ kept.audio.T, kept.scores, rtol=0, atol=1e-6)
    again = tmp_path / "again"
    train(recipe, again, silent)
    assert np.array_equal(open_similarities(again / "similarities" / "test").scores, kept.scores)


@pytest.mark.parametrize(
    ("compare", "least"), [("bundle", -1.0), ("cider", 0.0), ("bm25", 0.0), ("embedding", -1.0)]
)
def test_an_empty_caption_is_counted_and_scores_lowest(
    clips: list[Document], document: Document, tmp_path: Path, compare: str, least: float
) -> None:
    lines = [f'{clip["id"]},"{clip["captions"][0]}"' for clip in clips]
    lines[2] = f"{clips[2]['id']}, …"
    file = written(tmp_path / "a.csv", "id,caption", lines)
    text = recipe_for(document, file).text.model_dump() if compare == "embedding" else None
    said: list[str] = []
    train(compared_by(document, file, compare=compare, text=text), tmp_path / "run", said.append)
    assert any("1 hold no word, 1 clips have no other" in line for line in said)
    kept = open_similarities(tmp_path / "run" / "similarities" / "test")
    place = [clip.id for clip in kept.clips].index(clips[2]["id"])
    assert set(kept.scores[:, place].tolist()) == {least}
    assert kept.scores.min() == least
    assert kept.audio is None


def test_of_several_captions_the_best_counts_or_their_mean(
    clips: list[Document], document: Document, tmp_path: Path
) -> None:
    """Each clip's own caption and a neighbour's, a row each: the mean of the two is lower."""
    lines = []
    for clip, other in zip(clips, clips[1:] + clips[:1], strict=True):
        lines += [
            f'{one["id"]},"{two["captions"][0]}"' for one, two in ((clip, clip), (clip, other))
        ]
    file = written(tmp_path / "a.csv", "id,caption", lines)
    kept = {}
    for several in ("max", "mean"):
        recipe = compared_by(document, file, compare="bundle", several=several)
        train(recipe, tmp_path / several, silent)
        kept[several] = open_similarities(tmp_path / several / "similarities" / "test")
        assert kept[several].audio is None
    assert (kept["max"].scores >= kept["mean"].scores).all()
    assert (kept["max"].scores > kept["mean"].scores).any()


def test_what_is_not_compared_by_is_refused(document: Document, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    with pytest.raises(RecipeError, match=r"compare: embedding needs an encoder"):
        compared_by(document, file)
    with pytest.raises(RecipeError, match=r"bundle is for compare: bundle alone: set bundle: null"):
        compared_by(document, file, compare="cider", bundle="x")
    text = recipe_for(document, file).text.model_dump()
    with pytest.raises(RecipeError, match=r"text is for compare: embedding alone"):
        compared_by(document, file, compare="bm25", text=text)
    with pytest.raises(RecipeError, match=r"several"):
        compared_by(document, file, compare="bm25", several="median")


def test_it_can_be_joined_with_a_system_that_hears(
    clips: list[Document], document: Document, recipe_of: Callable[..., Any], tmp_path: Path
) -> None:
    lines = [f'{clip["id"]},"{clip["captions"][0]}"' for clip in clips]
    file = written(tmp_path / "a.csv", "id,caption", lines)
    train(compared_by(document, file, compare="cider"), tmp_path / "read", silent)
    heard = recipe_of(
        document,
        audio={"options": {"channels": [2, 4, 4, 8]}},
        optimiser={"max_steps": 2},
    )
    train_retrieval(heard, tmp_path / "heard", silent)
    members = [tmp_path / "heard", tmp_path / "read"]
    for scale in ("zscore", "rank"):
        out = tmp_path / scale
        told = ensemble(members, out, Settings(scale=scale), say=silent)  # type: ignore[arg-type]
        assert told["n"] == 15
        both = [open_similarities(member / "similarities" / "test") for member in members]
        assert [one.metrics()["mAP@10"].value for one in both] == pytest.approx(
            [member["metrics"]["mAP@10"]["value"] for member in told["members"]], abs=1e-5
        )
        assert open_similarities(out / "similarities" / "test").scores.shape == (15, 5)
        # What reads well helps what has hardly learnt to hear.
        assert told["metrics"]["mAP@10"]["value"] > told["members"][0]["metrics"]["mAP@10"]["value"]


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
