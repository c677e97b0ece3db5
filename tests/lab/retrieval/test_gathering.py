"""Pairs of two processes put together, compared with what one process has."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from support.companions import MIXED, PLAIN, Companions, changed, losses, whole_batch

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def test_two_processes_have_the_batch_and_the_gradient_of_one(two_processes: Companions) -> None:
    done, folder = two_processes
    assert done.returncode == 0, done.stderr
    found = torch.load(folder / "found.pt", weights_only=True)
    pairs, weights = whole_batch()
    for number, name in enumerate(("shared", "own")):
        leaf = weights.clone().requires_grad_()
        loss = losses(changed(pairs, leaf))[number]
        loss.backward()
        assert leaf.grad is not None
        torch.testing.assert_close(found[f"{name} loss"], loss.detach(), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found[f"{name} gradient"], leaf.grad, rtol=1e-4, atol=1e-5)
    whole = changed(pairs, weights)
    assert found["audio"].equal(whole.audio)
    assert found["plain"] == PLAIN
    # Plain pairs have their groups, each mixed one has its own.
    assert found["groups"][:PLAIN].tolist() == pairs.groups[:PLAIN].tolist()
    mixed = found["groups"][PLAIN:].tolist()
    assert len(set(mixed)) == MIXED
    assert not set(mixed) & set(pairs.groups[:PLAIN].tolist())
    # Sequences are padded with what the masks leave out.
    words = found["tokens"].shape[1]
    assert found["token_mask"].equal(pairs.tokens.mask[:, :words])
    kept = pairs.tokens.mask[:, :words]
    assert found["tokens"][kept].equal(pairs.tokens.ids[:, :words][kept])
    steps = found["steps"].shape[1]
    assert found["steps"].equal(pairs.audio_encoding.mask[:, :steps])
    assert found["sequences stay"]
