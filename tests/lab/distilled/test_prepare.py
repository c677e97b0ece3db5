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
from soundseek.lab.distilled.recipe import Recipe

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fake_teachers")]


def prepared(document: dict[str, Any], cache: Path, **data: Any) -> prepare.Prepared:
    cache.mkdir(parents=True, exist_ok=True)
    document = document | {"data": document["data"] | data}
    return prepare.prepare(Recipe.model_validate(document), cache, lambda line: None)


def test_everything_belongs_together(recipe_document: dict[str, Any], tmp_path: Path) -> None:
    got = prepared(recipe_document, tmp_path)
    assert [clip.split for clip in got.clips] == ["train"] * 6
    assert [clip.split for clip in got.validation] == ["validation"] * 6
    assert len(got.store.offsets) == len(got.validation_store.offsets) == 7
    assert len(got.captions.texts) == len(got.captions.groups) == 6
    assert len(set(got.captions.groups)) == 6
    assert got.text_vectors.shape == (len(got.texts), 16)
    assert got.texts == sorted(set(got.texts))
    for text in ("a door slams", "the sound of frog", "doorbell"):
        assert text in got.texts
    assert "the sound of frog" in got.captions.texts[4]
    assert got.anchors.shape == (6, 16)
    assert got.anchors.norm(dim=-1).max().item() == pytest.approx(1.0, abs=1e-5)


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
        assert first.texts == one.texts
        assert first.tokenizer_json == one.tokenizer_json
        assert np.array_equal(first.text_vectors, one.text_vectors)
        assert first.anchors.equal(one.anchors)
        theirs = one.teacher.state_dict()
        assert all(v.equal(theirs[k]) for k, v in first.teacher.state_dict().items())


def test_captions_below_the_quality_are_not_used(
    recipe_document: dict[str, Any], corpus: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "corpus"
    shutil.copytree(corpus, folder)
    rows = [json.loads(line) for line in (folder / "clips.jsonl").read_text().splitlines()]
    rows[0]["caption_quality"] = 0
    (folder / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    got = prepared(recipe_document, tmp_path / "cache", folder=str(folder))
    assert got.captions.texts[0] == ()
    assert all(got.captions.texts[1:])
    assert "the sound of rain" not in got.texts


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
    assert got.store.length(1) == 0
    assert all(value.isfinite().all() for value in got.teacher.state_dict().values())


def test_tiers_without_clips_are_refused(recipe_document: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no clips in tiers gold, silver\n.*data.tiers"):
        prepared(recipe_document, tmp_path, tiers=["gold", "silver"])


def test_missing_data_is_named(recipe_document: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no clip list at .*clips\.jsonl"):
        prepared(recipe_document, tmp_path, folder=str(tmp_path))
    with pytest.raises(DataError, match=r"no captions at .*none\.csv"):
        prepared(recipe_document, tmp_path, texts=["none.csv"])


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
