from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import onnxruntime
import torch
from torch.nn import functional as F

from soundseek.lab.captioning import graphs
from soundseek.lab.captioning.captioner import Captioner
from soundseek.lab.captioning.graphs import decoder_graph, memory_graph
from support.captioners import CAPTIONS, WIDTH, captioner, sounds

pytestmark = [pytest.mark.lab, pytest.mark.slow]

KINDS: list[dict[str, Any]] = [{"encoder": "none"}, {}, {"hidden": "mean_last_two"}]


def run(graph: bytes, **inputs: Any) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    found: list[np.ndarray] = session.run(None, arrays)
    return found


@pytest.fixture
def made() -> Captioner:
    return captioner(adapter_layers=2)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS, ids=["decoder alone", "bart", "two states"])
def test_the_graphs_are_the_network(kind: dict[str, Any]) -> None:
    made = captioner(adapter_layers=2, **kind)
    memory, decoder = memory_graph(made, 9), decoder_graph(made, 9, 20)
    for graph in (memory, decoder):
        assert b".py" not in graph, "paths of the machine that exported it"
    for lengths in ((4,), (9, 1, 5), (2, 2)):
        sequence, mask = sounds(*lengths)
        sequence = F.normalize(sequence, dim=2)
        states, states_mask = run(memory, vectors=sequence, lengths=np.array(lengths))
        expected = made.encode(sequence, mask)
        np.testing.assert_allclose(states[mask], expected[mask], atol=5e-3)
        assert states_mask.dtype == np.int64
        assert (states_mask == mask.numpy()).all()
        ids, own = made.tokens.encode(CAPTIONS[: len(lengths)])
        own_logits = made(sequence, mask, ids)
        for place in (1, 3):
            (logits,) = run(decoder, ids=ids[:, :place], memory=states, memory_mask=states_mask)
            # The network writes the token behind `ids`; its own input begins a token earlier.
            wanted = own_logits[:, place]
            assert logits.dtype == np.float32
            np.testing.assert_allclose(logits, wanted, atol=2e-2)
        assert own.all(1).any()


def test_weights_of_half_the_size_change_logits_by_little(
    made: Captioner, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = decoder_graph(made, 6, 12)
    monkeypatch.setattr(graphs, "with_half_weights", lambda graph: graph)
    whole = decoder_graph(made, 6, 12)
    assert len(half) < len(whole)
    ids = np.array([[made.tokens.bos, 7, 9]])
    memory = np.random.default_rng(1).standard_normal((1, 4, 16)).astype(np.float32)
    inputs = {"ids": ids, "memory": memory, "memory_mask": np.ones((1, 4), np.int64)}
    (rough,), (exact,) = run(half, **inputs), run(whole, **inputs)
    difference = np.abs(rough - exact).max()
    assert 0 < difference < 5e-3 * np.abs(exact).max()


def test_short_captions_of_few_windows_have_graphs(made: Captioner) -> None:
    """Fewer than what graphs are traced with."""
    memory, decoder = memory_graph(made, 2), decoder_graph(made, 2, 2)
    vectors = np.zeros((1, 2, WIDTH), np.float32)
    states, mask = run(memory, vectors=vectors, lengths=np.array([2]))
    ids = np.array([[made.tokens.bos, 5]])
    (logits,) = run(decoder, ids=ids, memory=states, memory_mask=mask)
    assert logits.shape == (1, made.tokens.vocabulary)
