from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.lab.data.waveforms import open_store
from soundseek.lab.retrieval import train
from soundseek.lab.retrieval.clips import clip_sets
from soundseek.lab.retrieval.embedding import embed_clips, embed_texts
from soundseek.lab.retrieval.teachers import Teacher, correspondences, listen
from soundseek.lab.retrieval.trained import load_trained
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab

RecipeOf = Callable[..., Any]


@given(
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=6),
    teachers=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_correspondences_are_the_mean_over_the_teachers(
    counts: list[int], teachers: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    made = [
        Teacher(
            rng.standard_normal((len(counts), d)).astype(np.float32),
            rng.standard_normal((sum(counts), d)).astype(np.float32),
            starts,
        )
        for d in range(3, 3 + teachers)
    ]
    clips = rng.integers(len(counts), size=5).tolist()
    captions = [int(rng.integers(counts[clip])) for clip in clips]
    found = correspondences(made, clips, captions)
    for i in range(5):
        for j in range(5):
            # Sound i and caption j: that of clip j.
            text = sum(counts[: clips[j]]) + captions[j]
            each = [float(one.audio[clips[i]] @ one.text[text]) for one in made]
            assert float(found[i, j]) == pytest.approx(sum(each) / len(each), abs=1e-4)


@pytest.fixture
def run(document: Document, recipe_of: RecipeOf, tmp_path: Path) -> tuple[Path, Any]:
    recipe = recipe_of(document, optimiser={"max_steps": 2})
    train.train(recipe, tmp_path / "run", silent)
    return tmp_path / "run", recipe


def test_a_teacher_hears_clips_and_reads_captions(
    run: tuple[Path, Any], waveform_cache: Path
) -> None:
    folder, recipe = run
    clips = clip_sets(recipe.data, recipe.seed, silent).train
    trained = load_trained(folder)
    teacher = listen(trained, clips, waveform_cache)
    store = open_store(clips, 16000, waveform_cache)
    assert np.array_equal(teacher.audio, embed_clips(trained.model, store, max_s=1.2))
    assert teacher.starts.tolist() == list(range(0, 30, 3))
    alone = embed_texts(trained.model, [clips[4].captions[2]])
    np.testing.assert_allclose(teacher.text[teacher.starts[4] + 2], alone[0], atol=1e-6)


def test_a_run_may_teach_another(
    run: tuple[Path, Any], document: Document, recipe_of: RecipeOf, tmp_path: Path
) -> None:
    recipe = recipe_of(
        document,
        objective=[{"term": "estimated_correspondences"}],
        teachers=[str(run[0]), str(run[0])],
        optimiser={"max_steps": 2},
    )
    said: list[str] = []
    train.train(recipe, tmp_path / "pupil", said.append)
    assert said.count(f"listening with the teacher {run[0]}") == 2


def test_a_teacher_with_sound_events_gets_them(
    document: Document, recipe_of: RecipeOf, tmp_path: Path
) -> None:
    events = {
        "tagger": "panns_cnn10",
        "weights": "random",
        "options": {"channels": (2, 4, 4, 8), "classes": 5, "frontend": "panns_16k"},
    }
    taught = document["audio"] | {"events": events}
    recipe = recipe_of(document, audio=taught, optimiser={"max_steps": 2})
    train.train(recipe, tmp_path / "run", silent)
    pupil = recipe_of(
        document,
        objective=[{"term": "estimated_correspondences"}],
        teachers=[str(tmp_path / "run")],
        optimiser={"max_steps": 1},
    )
    train.train(pupil, tmp_path / "pupil", silent)


def test_teachers_that_are_not_there(
    document: Document, recipe_of: RecipeOf, tmp_path: Path
) -> None:
    for teacher, said in ((str(tmp_path / "none"), "no run in"), ("stage:x", "no trained model")):
        recipe = recipe_of(document, teachers=[teacher])
        with pytest.raises(DataError, match=rf"{said}.*\n.*train"):
            train.train(recipe, tmp_path / f"run-{said}", silent)
