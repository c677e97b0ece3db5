from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("av")

import torch

from soundseek.errors import DataError
from soundseek.lab.distilled.lessons import Lessons
from soundseek.lab.distilled.packed import (
    read_facts,
    read_pack,
    read_sounds,
    write_facts,
    write_pack,
    write_sounds,
)
from soundseek.lab.distilled.plans import Captioned
from soundseek.lab.teachers.anchored import AnchoredTeacher
from soundseek.lab.teachers.yamnet import Yamnet

pytestmark = pytest.mark.lab


def test_sounds_come_back_in_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundseek.lab.distilled.packed._PIECE_S", 2)
    t = np.arange(5 * 16_000) / 16_000
    samples = (9000 * np.sin(2 * np.pi * (300 + 100 * t) * t)).astype(np.int16)
    write_sounds(samples, tmp_path, bit_rate=24_000, prefix="other")
    assert len(list(tmp_path.glob("other-*.opus"))) == 3
    got = read_sounds(tmp_path, len(samples), prefix="other")
    assert got.dtype == np.int16
    # Two seconds in, in every piece: coded, but neither shifted nor turned.
    for start in (8000, 40_000, 70_000):
        one, two = (x[start : start + 4000].astype(float) for x in (samples, got))
        assert np.corrcoef(one, two)[0, 1] > 0.98
    with pytest.raises(DataError, match="3 pieces of sound, not 4"):
        read_sounds(tmp_path, 7 * 16_000, prefix="other")


@pytest.fixture
def lessons() -> Lessons:
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((9, 12)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    anchors = torch.from_numpy(vectors[:5].copy())
    teacher = AnchoredTeacher(anchors).eval()
    torch.nn.init.normal_(teacher.residual[3].weight, generator=torch.Generator().manual_seed(1))
    tensors: dict[str, Any] = {"dense_w": np.ones((5, 1024), np.float32)}
    return Lessons(
        samples=np.zeros(50, np.int16),
        offsets=np.array([0, 10, 30, 50]),
        captioned=Captioned.of([[8], [], [3, 8]], [0, 1, 0]),
        vectors=torch.from_numpy(vectors),
        anchors=anchors,
        yamnet=Yamnet(tensors),
        teacher=teacher,
        validation=None,
    )


@torch.no_grad()
def test_facts_come_back_within_their_rounding(lessons: Lessons, tmp_path: Path) -> None:
    write_facts(lessons, tmp_path / "pack")
    got = read_facts(tmp_path / "pack")
    assert np.array_equal(got.offsets, lessons.offsets)
    assert np.array_equal(got.captioned.offsets, lessons.captioned.offsets)
    assert np.array_equal(got.captioned.groups, lessons.captioned.groups)
    assert len(got.vectors) == 2, "only the vectors of captions are carried"
    theirs = lessons.vectors[lessons.captioned.rows]
    cosines = (got.vectors[got.captioned.rows] * theirs).sum(-1)
    assert cosines.min() > 0.9995
    torch.testing.assert_close(got.anchors, lessons.anchors, rtol=0, atol=1e-3)
    generator = torch.Generator().manual_seed(2)
    embedding = torch.rand(3, 1024, generator=generator)
    scores = torch.rand(3, 5, generator=generator)
    torch.testing.assert_close(
        got.teacher(embedding, scores), lessons.teacher(embedding, scores), rtol=0, atol=5e-3
    )
    assert got.yamnet.convs["dense_w"].equal(lessons.yamnet.convs["dense_w"])
    assert got.validation is None


def test_a_folder_without_lessons_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no lessons in"):
        read_facts(tmp_path)


def test_a_pack_comes_back_with_and_without_its_made_sounds(
    lessons: Lessons, tmp_path: Path
) -> None:
    t = np.arange(3 * 16_000) / 16_000
    samples = (9000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
    offsets = np.array([0, 16_000, 32_000, 48_000])
    write_pack(
        replace(lessons, samples=samples, offsets=offsets),
        tmp_path,
        labelled=2,
        bit_rate=24_000,
    )
    whole, labelled = read_pack(tmp_path), read_pack(tmp_path, made=False)
    assert whole.offsets.tolist() == offsets.tolist()
    assert len(whole.samples) == 48_000
    assert labelled.offsets.tolist() == [0, 16_000, 32_000, 32_000]
    assert len(labelled.samples) == 32_000
    assert np.array_equal(labelled.samples, whole.samples[:32_000])
