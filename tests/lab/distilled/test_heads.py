from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from torch.nn import functional as F

from soundseek.lab.distilled.heads import (
    AnchoredHead,
    TextHead,
    anchored,
    class_weights,
    normalised_anchors,
)
from soundseek.lab.encodings import AudioEncoding

pytestmark = pytest.mark.lab


def encoding(width: int = 6, steps: int = 3) -> AudioEncoding:
    sequence = torch.randn(2, steps, width, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[True] * steps, [True] + [False] * (steps - 1)])
    return AudioEncoding(sequence, mask, sequence[:, 0])


@torch.no_grad()
def test_a_fresh_head_gives_the_anchor() -> None:
    torch.manual_seed(2)
    anchors = torch.randn(5, 4)
    head = AnchoredHead(6, anchors, hidden=8).eval()
    sound = encoding()
    embedding, logits = head(sound)
    assert logits.shape == (2, 3, 5)
    scores = torch.stack([logits[0].sigmoid().mean(0), logits[1, 0].sigmoid()])
    torch.testing.assert_close(embedding, F.normalize(scores @ anchors, dim=-1))
    torch.testing.assert_close(embedding.norm(dim=-1), torch.ones(2))
    assert logits.mean().item() == pytest.approx(-6.0, abs=1.0)


def test_the_head_learns_a_copy_of_the_anchors() -> None:
    anchors = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    head = AnchoredHead(6, anchors)
    with torch.no_grad():
        head.anchors.zero_()
    assert anchors.abs().sum() > 0


def test_anchored_by_hand() -> None:
    anchors = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    got = anchored(torch.tensor([[3.0, 0.0]]), anchors, torch.tensor([[0.0, 1.0]]))
    torch.testing.assert_close(got, torch.tensor([[0.5**0.5, 0.5**0.5]]))


@torch.no_grad()
def test_text_vectors_have_unit_length() -> None:
    head = TextHead(6, 4)
    vectors = head(torch.randn(3, 6, generator=torch.Generator().manual_seed(1)))
    assert vectors.shape == (3, 4)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(3))


def test_rare_classes_weigh_most_and_the_largest_weight_is_one() -> None:
    weights = class_weights(torch.tensor([0.0, 0.09, 0.99]))
    torch.testing.assert_close(weights, torch.tensor([100.0, 10.0, 1.0]))
    anchors = normalised_anchors(torch.ones(3, 2), weights)
    torch.testing.assert_close(anchors[:, 0], torch.tensor([1.0, 0.1, 0.01]))
