from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.audio.frontends import PRESETS, features
from soundseek.errors import DataError
from soundseek.lab.distilled import prepare
from soundseek.lab.distilled.lessons import Lessons
from soundseek.lab.distilled.recipe import DataSection, Recipe

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fake_teachers")]


def prepared(document: dict[str, Any], cache: Path, **data: Any) -> Lessons:
    cache.mkdir(parents=True, exist_ok=True)
    document = document | {"data": document["data"] | data}
    return prepare.prepare(Recipe.model_validate(document), cache, lambda line: None)


def captions(lessons: Lessons) -> list[int]:
    """How many each clip has."""
    return np.diff(lessons.captioned.offsets).tolist()


def vector(text: str) -> torch.Tensor:
    return torch.from_numpy(prepare.MiniLm().encode([text]))[0]


def test_everything_belongs_together(recipe_document: dict[str, Any], tmp_path: Path) -> None:
    got = prepared(recipe_document, tmp_path)
    assert len(got.offsets) == 7
    assert len(got.samples) == got.offsets[-1] > 0
    assert captions(got) == [2] * 6
    assert len(set(got.captioned.groups)) == 6
    own = got.vectors[got.captioned.rows[got.captioned.offsets[4] :][:2]]
    assert any(row.equal(vector("the sound of frog")) for row in own)
    assert got.vectors.shape[1] == 16
    assert got.anchors.shape == (6, 16)
    assert got.anchors.norm(dim=-1).max().item() == pytest.approx(1.0, abs=1e-5)
    names = torch.stack([vector(kind) for kind in ("rain", "wind", "waves")])
    cosines = torch.nn.functional.cosine_similarity(got.anchors[:3], names)
    torch.testing.assert_close(cosines, torch.ones(3))
    assert got.validation is not None
    assert [clip.split for clip in got.validation.clips] == ["validation"] * 6
    assert len(got.validation.store) == 6
    for clip in got.validation.clips:
        for caption in clip.captions:
            assert np.array_equal(got.validation.captions[caption], vector(caption).numpy())


def test_preparing_twice_gives_the_same(
    recipe_document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepared(recipe_document, tmp_path / "one")

    class Mute:
        def __init__(self) -> None:
            raise AssertionError("the texts are read again")

    other = prepared(recipe_document, tmp_path / "two")
    monkeypatch.setattr(prepare, "MiniLm", Mute)
    again = prepared(recipe_document, tmp_path / "one")
    for one in (again, other):
        assert np.array_equal(first.samples, one.samples)
        assert np.array_equal(first.captioned.rows, one.captioned.rows)
        assert first.vectors.equal(one.vectors)
        assert first.anchors.equal(one.anchors)
        theirs = one.teacher.state_dict()
        assert all(v.equal(theirs[k]) for k, v in first.teacher.state_dict().items())


def changed(corpus: Path, folder: Path, **differences: Any) -> str:
    """A copy of the corpus whose first clip differs."""
    shutil.copytree(corpus, folder)
    rows = [json.loads(line) for line in (folder / "clips.jsonl").read_text().splitlines()]
    rows[0].update(differences)
    (folder / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


def test_captions_below_the_quality_are_not_used(
    recipe_document: dict[str, Any], corpus: Path, tmp_path: Path
) -> None:
    folder = changed(corpus, tmp_path / "corpus", caption_quality=0)
    got = prepared(recipe_document, tmp_path / "cache", folder=folder)
    assert captions(got) == [0, 2, 2, 2, 2, 2]
    assert got.offsets[1] > 0, "its sound is heard all the same"


def test_an_empty_caption_says_nothing(
    recipe_document: dict[str, Any], corpus: Path, tmp_path: Path
) -> None:
    folder = changed(corpus, tmp_path / "corpus", captions=["", "a pattering"])
    got = prepared(recipe_document, tmp_path / "cache", folder=folder)
    assert captions(got) == [1, 2, 2, 2, 2, 2]


def test_unlabelled_folders_are_heard_without_captions(
    recipe_document: dict[str, Any], unlabelled: Path, tmp_path: Path
) -> None:
    plain = prepared(recipe_document, tmp_path)
    got = prepared(recipe_document, tmp_path, unlabelled=[str(unlabelled)])
    assert captions(got) == [2] * 6 + [0] * 3
    assert (np.diff(got.offsets)[6:] > 16_000).all()
    assert np.array_equal(got.samples[: plain.offsets[-1]], plain.samples)
    assert got.vectors.equal(plain.vectors), "what their folder calls them is not read"
    assert got.validation is not None
    assert len(got.validation.clips) == 6


def test_training_clips_are_those_of_the_tiers_and_the_unlabelled_ones(
    corpus: Path, unlabelled: Path, tmp_path: Path
) -> None:
    folder = changed(corpus, tmp_path / "corpus", tier="research")
    data = DataSection(folder=folder, unlabelled=(str(unlabelled),))
    clips = prepare.training_clips(data)
    assert [clip.id for clip in clips] == [
        *("wind-0", "waves-0", "siren-0", "frog-0", "doorbell-0"),
        *("made/thunder", "made/church_bell", "made/cow"),
    ]
    assert [bool(clip.captions) for clip in clips] == [True] * 5 + [False] * 3
    assert {clip.split for clip in clips} == {"train"}
    alone = prepare.training_clips(data.model_copy(update={"unlabelled": ()}))
    assert alone == clips[:5]


def test_an_unlabelled_folder_without_training_clips_is_refused(
    corpus: Path, unlabelled: Path, tmp_path: Path
) -> None:
    line = (unlabelled / "clips.jsonl").read_text().splitlines()[-1]
    (tmp_path / "clips.jsonl").write_text(line + "\n")
    data = DataSection(folder=str(corpus), unlabelled=(str(tmp_path),))
    with pytest.raises(DataError, match=r"no clips of the split train\n.*data.unlabelled"):
        prepare.training_clips(data)


def test_captions_that_are_all_too_poor_are_refused(corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(corpus, tmp_path / "corpus")
    path = tmp_path / "corpus" / "clips.jsonl"
    path.write_text(path.read_text().replace('"caption_quality": 2', '"caption_quality": 1'))
    data = DataSection(folder=str(tmp_path / "corpus"), min_caption_quality=2)
    with pytest.raises(DataError, match=r"captions of quality 2 or more\n.*min_caption_quality"):
        prepare.training_clips(data)


def test_a_clip_that_cannot_be_decoded_is_told_and_left_out(
    recipe_document: dict[str, Any], corpus: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "corpus"
    shutil.copytree(corpus, folder)
    (folder / "wind-0.wav").write_bytes(b"not a sound")
    document = recipe_document | {"data": recipe_document["data"] | {"folder": str(folder)}}
    said: list[str] = []
    (tmp_path / "cache").mkdir()
    got = prepare.prepare(Recipe.model_validate(document), tmp_path / "cache", said.append)
    (line,) = [line for line in said if line.startswith("left out")]
    assert "wind-0" in line
    assert np.diff(got.offsets)[1] == 0
    assert all(value.isfinite().all() for value in got.teacher.state_dict().values())


def test_tiers_without_clips_are_refused(recipe_document: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no clips in tiers gold, silver\n.*data.tiers"):
        prepared(recipe_document, tmp_path, tiers=["gold", "silver"])


def test_missing_data_is_named(recipe_document: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no clip list at .*clips\.jsonl"):
        prepared(recipe_document, tmp_path, folder=str(tmp_path))
    with pytest.raises(DataError, match=r"no clip list at .*none"):
        prepared(recipe_document, tmp_path, unlabelled=[str(tmp_path / "none")])


class Echo(torch.nn.Module):
    """Hears the first band of the first frame, and the mean."""

    def forward(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return patches[:, 0, :1].float(), patches.float().mean((1, 2))[:, None]


@pytest.mark.parametrize("batch_patches", [1, 4, 256])
def test_listening_is_patch_by_patch(make_store: Callable[..., Any], batch_patches: int) -> None:
    spec = PRESETS["yamnet_16k"]
    hop, overlap = 96 * spec.hop_samples, spec.window_samples - spec.hop_samples
    rng = np.random.default_rng(1)
    # 100 samples; one patch; one and a tenth (the tail is left out); two and a half; nothing.
    lengths = (100, hop + overlap, int(1.1 * hop) + overlap, int(2.5 * hop) + overlap, 0)
    store = make_store([0.1 * rng.standard_normal(n) for n in lengths])
    heard = prepare.listen(Echo(), store, batch_patches)
    assert np.diff(heard.offsets).tolist() == [1, 1, 1, 3, 1]
    for clip in range(5):
        first, end = heard.offsets[clip : clip + 2]
        padded = np.zeros((end - first) * hop + overlap, np.float32)
        wave = store.read(clip)[: len(padded)]
        padded[: len(wave)] = wave
        patches = features(padded, spec).reshape(-1, 96, 64)
        np.testing.assert_allclose(
            heard.embeddings[first:end, 0].numpy(), patches[:, 0, 0], rtol=0, atol=1e-3
        )
        np.testing.assert_allclose(
            heard.scores[first:end, 0].numpy(),
            1 / (1 + np.exp(-patches.mean((1, 2)))),
            rtol=0,
            atol=1e-3,
        )
