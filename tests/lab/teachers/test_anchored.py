from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch.nn import functional as F

from soundseek.lab.teachers.anchored import AnchoredTeacher, HeardClips, TeacherFit, fit_teacher

pytestmark = pytest.mark.lab

KINDS, CLIPS, CLASSES, DIMENSION = 6, 48, 10, 12
FIT = TeacherFit(epochs=25, batch_size=16, anchor_pull=0.1, dropout=0.1)


class World:
    """Clips of six kinds, told apart by YAMNet's embedding and not by its class scores."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)

        def drawn(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=generator)

        self.kinds = np.arange(CLIPS) % KINDS
        counts = 1 + np.arange(CLIPS) % 3
        offsets = np.concatenate([[0], np.cumsum(counts)])
        owner = torch.from_numpy(np.repeat(self.kinds, counts))
        prototypes = drawn(KINDS, 1024).relu() * 2
        embeddings = (prototypes[owner] + 0.3 * drawn(len(owner), 1024)).relu()
        scores = drawn(len(owner), CLASSES).sigmoid()
        self.heard = HeardClips(embeddings, scores, offsets)
        self.words = F.normalize(drawn(KINDS, DIMENSION), dim=-1)
        noise = 0.1 * drawn(CLIPS, 2, DIMENSION)
        self.captions = [
            F.normalize(self.words[kind] + noise[i], dim=-1) for i, kind in enumerate(self.kinds)
        ]
        self.anchors = drawn(CLASSES, DIMENSION)

    def fitted(self, fit: TeacherFit = FIT, seed: int = 4) -> AnchoredTeacher:
        return fit_teacher(self.heard, self.captions, self.kinds, self.anchors, fit, seed=seed)

    def named_right(self, vectors: torch.Tensor) -> float:
        return float(((vectors @ self.words.T).argmax(1).numpy() == self.kinds).mean())


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_learning_beats_the_anchor_alone(world: World) -> None:
    anchor = F.normalize(world.heard.whole()[1] @ world.anchors, dim=-1)
    assert world.named_right(anchor) < 0.5
    vectors = world.fitted()(*world.heard.whole())
    assert world.named_right(vectors) > 0.95
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(CLIPS))


@torch.no_grad()
def test_a_fresh_teacher_is_the_anchor(world: World) -> None:
    embedding, scores = world.heard.whole()
    expected = F.normalize(scores @ world.anchors, dim=-1)
    torch.testing.assert_close(AnchoredTeacher(world.anchors).eval()(embedding, scores), expected)


def test_the_pull_keeps_the_teacher_near_its_anchor(world: World) -> None:
    embedding, scores = world.heard.whole()
    anchor = F.normalize(scores @ world.anchors, dim=-1)
    short = replace(FIT, epochs=8)
    near = world.fitted(replace(short, anchor_pull=50.0))(embedding, scores)
    free = world.fitted(replace(short, anchor_pull=0.0))(embedding, scores)
    assert (near * anchor).sum(1).mean() > 0.9 > (free * anchor).sum(1).mean()


def test_the_same_seed_gives_the_same_teacher(world: World) -> None:
    short = replace(FIT, epochs=2)
    first, again, other = (world.fitted(short, seed).state_dict() for seed in (4, 4, 5))
    assert all(first[name].equal(again[name]) for name in first)
    assert any(not first[name].equal(other[name]) for name in first)


def test_the_teacher_is_frozen_and_in_eval_mode(world: World) -> None:
    teacher = world.fitted(replace(FIT, epochs=1))
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert teacher.anchors.equal(world.anchors)


def test_clips_without_captions_teach_nothing(world: World) -> None:
    """What they sound like must not matter, not even a broken one."""
    silent = np.arange(CLIPS) % 4 == 0
    captions = [
        torch.zeros(0, DIMENSION) if quiet else vectors
        for quiet, vectors in zip(silent, world.captions, strict=True)
    ]
    broken = world.heard.embeddings.clone()
    for clip in np.flatnonzero(silent):
        broken[world.heard.offsets[clip] : world.heard.offsets[clip + 1]] = torch.nan
    heard = replace(world.heard, embeddings=broken)
    teacher = fit_teacher(
        heard, captions, world.kinds, world.anchors, replace(FIT, epochs=2), seed=1
    )
    assert all(value.isfinite().all() for value in teacher.state_dict().values())


def test_crops_are_means_of_runs_within_the_clip(world: World) -> None:
    offsets = np.array([0, 1, 4])
    embeddings = torch.arange(4.0)[:, None].repeat(1, 1024)
    heard = HeardClips(embeddings, embeddings[:, :CLASSES], offsets)
    rng = np.random.default_rng(2)
    means = set()
    for _ in range(100):
        crop, scores = heard.crops(np.array([0, 1]), rng)
        assert crop[0, 0] == 0.0
        assert scores[1, 0] == crop[1, 0]
        means.add(crop[1, 0].item())
    assert means == {1.0, 2.0, 3.0, 1.5, 2.5}
    whole, _ = heard.whole()
    assert whole[:, 0].tolist() == [0.0, 2.0]
