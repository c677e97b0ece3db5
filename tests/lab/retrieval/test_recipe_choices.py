"""What recipes of the literature need: sources without repeats, captions as the reports write them,
files inside encoders, figures that a report lacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError
from soundseek.lab.audio_encoders.vggish import Vggish
from soundseek.lab.data.manifest import Clip, write_parquet
from soundseek.lab.published_weights import FOLDER_VARIABLE
from soundseek.lab.retrieval.build import (
    build_model,
    build_text_encoder,
    rebuild_model,
    resources_of,
)
from soundseek.lab.retrieval.clips import clip_sets
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.recipe import Data, Published, Text
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab

RecipeOf = Callable[..., Any]
MakeClip = Callable[..., Clip]

SHOUTED, PLAIN = "A DOG -- barks!", "a dog barks"
TEXTS = ["a dog barks", "A DOG, and rain!", "-- rain --"]
SMALL_VGGISH: Document = {"channels": (2, 4, 4, 8), "hidden": 16, "width": 64}
WORDS: Document = {
    "encoder": "word_vectors",
    "weights": "random",
    "options": {"dimension": 16, "case": "keep"},
}


def manifest(folder: Path, name: str, clips: list[Clip]) -> Document:
    path = folder / f"{name}.parquet"
    write_parquet(clips, path)
    return {"manifest": str(path)}


def ids(folder: Path, make_clip: MakeClip, **second: Any) -> list[str]:
    """Ids of the training clips of two sources, of which the second repeats recordings."""
    known = [
        make_clip("known/f", freesound_id="7"),
        make_clip("known/y", youtube_id="7"),
        make_clip("known/none"),
    ]
    more = [
        make_clip("more/f", freesound_id="7"),
        make_clip("more/y", youtube_id="7"),
        make_clip("more/new", freesound_id="8", youtube_id="8"),
        make_clip("more/none"),
    ]
    first = manifest(folder, "known", known)
    data = Data.model_validate(
        {
            "train": [first, manifest(folder, "more", more) | second],
            "validation": [manifest(folder, "validation", [make_clip("v", freesound_id="8")])],
        }
    )
    said: list[str] = []
    found = [clip.id for clip in clip_sets(data, 0, said.append).train]
    assert any("2 clips are known already" in line for line in said) == bool(second)
    return found


def test_a_source_leaves_out_recordings_that_an_earlier_one_has(
    tmp_path: Path, make_clip: MakeClip
) -> None:
    known = ["known/f", "known/y", "known/none"]
    assert ids(tmp_path, make_clip, only_new=True) == [*known, "more/new", "more/none"]


def test_otherwise_recordings_may_repeat(tmp_path: Path, make_clip: MakeClip) -> None:
    assert len(ids(tmp_path, make_clip)) == 7


def test_the_order_of_sources_decides(tmp_path: Path, make_clip: MakeClip) -> None:
    twice = [
        manifest(tmp_path, name, [make_clip(f"{name}/1", freesound_id="1")]) | {"only_new": True}
        for name in ("a", "b")
    ]
    validation = [manifest(tmp_path, "c", [make_clip("c/1")])]
    for train, kept in ((twice, "a/1"), (twice[::-1], "b/1")):
        data = Data.model_validate({"train": train, "validation": validation})
        assert [clip.id for clip in clip_sets(data, 0, silent).train] == [kept]


def test_clips_without_sound_are_left_out_where_the_source_says_so(synthetic: Path) -> None:
    listed = synthetic / "clips.jsonl"
    folder = synthetic.parent / "with-a-gap"
    folder.mkdir()
    (folder / "audio").symlink_to(synthetic / "audio")
    lines = listed.read_text(encoding="utf-8").splitlines()
    gone = lines[0].replace('"file": "audio/', '"file": "audio/no-')
    (folder / "clips.jsonl").write_text("\n".join([gone, *lines[1:]]) + "\n", encoding="utf-8")

    def count(audio: str) -> int:
        source = {"corpus": "clips", "root": str(folder), "audio": audio, "split": "train"}
        others = {"corpus": "clips", "root": str(synthetic), "split": "validation"}
        data = Data.model_validate({"train": [source], "validation": [others]})
        return len(clip_sets(data, 0, silent).train)

    assert count("optional") == count("present") + 1
    with pytest.raises(DataError, match="have no readable sound"):
        count("required")


def built(document: Document, recipe_of: RecipeOf, **text: Any) -> RetrievalModel:
    return build_model(recipe_of(document, text=text), TEXTS).eval()


def with_words(document: Document) -> Document:
    """Read by word vectors, which tell capitals apart; the other encoder tells marks apart."""
    return document | {"text": WORDS | {"projection": []}}


@pytest.mark.parametrize("frozen", [False, True])
def test_capitals_and_marks_go_where_the_recipe_says_so(
    document: Document, recipe_of: RecipeOf, frozen: bool
) -> None:
    words = built(with_words(document), recipe_of, frozen=frozen, lowercase=True)
    capitals, plain, other = words.embed_text(["A DOG barks", PLAIN, "a dog and rain"])
    assert torch.equal(capitals, plain)
    assert not torch.allclose(capitals, other)
    subwords = built(document, recipe_of, frozen=frozen, strip_punctuation=True)
    marks, plain = subwords.embed_text([SHOUTED, PLAIN])
    assert torch.allclose(marks, plain, atol=1e-6)


def test_otherwise_captions_are_read_as_they_are(document: Document, recipe_of: RecipeOf) -> None:
    for kind, text in ((with_words(document), "A DOG barks"), (document, SHOUTED)):
        other, plain = built(kind, recipe_of).embed_text([text, PLAIN])
        assert not torch.allclose(other, plain, atol=1e-3)


def test_a_rebuilt_model_writes_them_alike(document: Document, recipe_of: RecipeOf) -> None:
    recipe = recipe_of(with_words(document), text={"lowercase": True})
    model = build_model(recipe, TEXTS).eval()
    again = rebuild_model(recipe, resources_of(model))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval().embed_text(["A DOG barks"]), model.embed_text([PLAIN]))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, {"a", "dog", "barks", "A", "DOG", "and", "rain"}),
        ({"lowercase": True}, {"a", "dog", "barks", "and", "rain"}),
    ],
)
def test_words_are_learnt_as_they_will_be_read(settings: Document, words: set[str]) -> None:
    encoder: Any = build_text_encoder(Text.model_validate(WORDS | settings), TEXTS)
    assert set(encoder.words) == words


@pytest.fixture
def vggish(document: Document, recipe_of: RecipeOf) -> Any:
    """A recipe that names a published file inside its encoder."""
    document = document | {"audio": {}}
    return recipe_of(
        document,
        audio={
            "encoder": "vggish_crnn",
            "weights": "random",
            "options": {
                "vggish_checkpoint": "vggish-10086976.pth",
                "vggish_options": SMALL_VGGISH,
                "channels": (4, 8),
                "hidden": 8,
            },
        },
    )


def test_a_file_inside_an_encoder_is_looked_for_among_the_published_ones(
    vggish: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match=r"vggish-10086976\.pth is not on this machine"):
        build_model(vggish, TEXTS)


def test_a_model_of_such_an_encoder_is_rebuilt_without_the_file(
    vggish: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    file = tmp_path / "vggish-10086976.pth"
    torch.manual_seed(0)
    published = Vggish(**SMALL_VGGISH)
    state = {key.replace("layers.", "features."): v for key, v in published.state_dict().items()}
    torch.save({key: v for key, v in state.items() if not key.startswith("frontend")}, file)
    model = build_model(vggish, TEXTS).eval()
    heard: Any = model.audio.encoder
    kept = heard.vggish.state_dict()["embeddings.0.weight"]
    assert torch.equal(kept, published.state_dict()["embeddings.0.weight"])

    file.unlink()
    again = rebuild_model(vggish, resources_of(model))
    again.load_state_dict(model.state_dict())
    sound, samples = torch.randn(1, 70_000) * 0.1, torch.tensor([70_000])
    before, after = (one.eval().embed_audio(sound, samples).embedding for one in (model, again))
    assert torch.equal(before, after)


def test_a_figure_of_null_is_none() -> None:
    published = Published.model_validate(
        {"source": "a report", "scores": {"R@1": 0.1, "R@10": None}}
    )
    assert dict(published.scores) == {"R@1": 0.1}
