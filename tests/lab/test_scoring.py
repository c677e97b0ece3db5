from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError, RecipeError
from soundseek.lab.data.manifest import Clip, write_parquet
from soundseek.lab.scoring import OtherClips, scored
from support.similarities import noisy
from support.tiny_bundle import SOUNDS

pytestmark = pytest.mark.lab


def silent(_: str) -> None:
    """Say nothing."""


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[..., str]:
    """Return manifest(broken=()) → clips of the tiny bundle's words, those broken unreadable."""
    import soundfile

    def written(broken: tuple[str, ...] = ()) -> str:
        clips = []
        for word, render in SOUNDS.items():
            path = tmp_path / f"{word}.wav"
            if word in broken:
                path.write_bytes(b"no sound")
            else:
                soundfile.write(path, render(), 16_000)
            clips.append(
                Clip(
                    id=word,
                    path=str(path),
                    duration_s=0.0,
                    captions=(word,),
                    source="test",
                    split="test",
                    licence="CC0",
                    group=word,
                )
            )
        write_parquet(clips, tmp_path / "clips.parquet")
        return str(tmp_path / "clips.parquet")

    return written


def test_a_bundle_on_other_clips(tiny_bundle: Path, manifest: Callable[..., str]) -> None:
    found = scored(tiny_bundle, other=OtherClips(manifest=manifest()), say=silent)
    assert sorted(found.queries) == sorted(SOUNDS)
    assert found.audio is not None
    assert found.text is not None
    np.testing.assert_allclose(found.scores, found.text @ found.audio.T, atol=1e-6)
    assert found.metrics()["R@1"].value == 1.0


def test_a_clip_that_cannot_be_read_is_left_out_and_named(
    tiny_bundle: Path, manifest: Callable[..., str]
) -> None:
    first = next(iter(SOUNDS))
    told: list[str] = []
    other = OtherClips(manifest=manifest(broken=(first,)))
    found = scored(tiny_bundle, other=other, say=told.append)
    assert first not in {clip.id for clip in found.clips}
    assert any(line.startswith(f"left out {first}:") for line in told)
    with pytest.raises(DataError, match="can be read"):
        scored(tiny_bundle, other=OtherClips(manifest=manifest(tuple(SOUNDS))), say=silent)


def test_what_keeps_its_scores(tmp_path: Path) -> None:
    found = noisy(1)
    found.save(tmp_path / "ensemble" / "similarities" / "test")
    for place in (tmp_path / "ensemble", tmp_path / "ensemble" / "similarities" / "test"):
        assert np.array_equal(scored(place, say=silent).scores, found.scores)
        with pytest.raises(DataError, match=r"keeps scores alone.*\n.*members"):
            scored(place, other=OtherClips(manifest="x.parquet"), say=silent)


def test_what_cannot_be_scored(tiny_bundle: Path, tmp_path: Path) -> None:
    for place, other, error, said in (
        (tiny_bundle, None, DataError, r"is a model, which has no clips.*\n.*--corpus"),
        (tmp_path / "gone", None, DataError, "there is nothing at"),
        (tmp_path, None, DataError, "is no run, no ensemble"),
        (tiny_bundle, OtherClips(corpus="clotto", root="x"), RecipeError, "clotho"),
        (tiny_bundle, OtherClips(), RecipeError, "name a corpus"),
    ):
        with pytest.raises(error, match=said):
            scored(place, other=other, say=silent)


def test_an_ensembles_run_has_no_model(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text('{"system": "ensemble"}', encoding="utf-8")
    other: Any = OtherClips(manifest="x.parquet")
    with pytest.raises(DataError, match="system ensemble, which has no model for other clips"):
        scored(tmp_path, other=other, say=silent)
