"""Our searches against those of transformers, on a network with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from transformers import BartConfig, BartForConditionalGeneration

from soundseek.bundle.captioning.decoding import Decoding, run_searches
from soundseek.bundle.captioning.rules import Rules
from soundseek.bundle.captioning.schema import CaptionText
from soundseek.bundle.captioning.searches import BeamSearch, GreedySearch

pytestmark = pytest.mark.lab

PAD, END, BEGIN = 0, 1, 2
VOCABULARY = 30
SOUNDS = 6


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    layers = {f"{side}_{part}": 2 for side in ("encoder", "decoder") for part in ("layers",)}
    config = BartConfig(
        vocab_size=VOCABULARY,
        d_model=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=32,
        init_std=0.6,
        pad_token_id=PAD,
        eos_token_id=END,
        bos_token_id=BEGIN,
        decoder_start_token_id=BEGIN,
        forced_eos_token_id=None,
        **layers,
    )
    network = BartForConditionalGeneration(config).eval()
    network.generation_config.forced_eos_token_id = None
    return network


def until_end(ids: list[int]) -> tuple[int, ...]:
    """Without what fills up the row behind the end."""
    return tuple(ids[: ids.index(END) + 1] if END in ids else ids)


@pytest.mark.parametrize("ngram", [0, 2])
@pytest.mark.parametrize(("beams", "penalty"), [(1, 1.0), (3, 1.0), (4, 0.5), (5, 2.0)])
def test_the_same_captions_are_found(model: Any, beams: int, penalty: float, ngram: int) -> None:
    inputs = torch.randint(3, VOCABULARY, (SOUNDS, 7), generator=torch.manual_seed(1))
    decoding = Decoding(
        beams=beams, min_tokens=2, max_tokens=10, no_repeat_ngram=ngram, length_penalty=penalty
    )

    def step(ids: np.ndarray, clips: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            output = model(input_ids=inputs[clips], decoder_input_ids=torch.from_numpy(ids))
        return output.logits[:, -1].numpy()

    rules = Rules(decoding, CaptionText(BEGIN, END, PAD, 30), None)
    searches = [
        GreedySearch(rules) if beams == 1 else BeamSearch(rules, beams, penalty)
        for _ in range(SOUNDS)
    ]
    ours = [written.ids for written in run_searches(searches, step, BEGIN)]
    theirs = model.generate(
        input_ids=inputs,
        num_beams=beams,
        do_sample=False,
        early_stopping="never" if beams > 1 else False,
        min_new_tokens=2,
        max_new_tokens=10,
        no_repeat_ngram_size=ngram,
        length_penalty=penalty,
        suppress_tokens=[BEGIN, PAD],
    )
    expected = [until_end(row[1:]) for row in theirs.tolist()]
    assert ours == expected
    assert len(set(expected)) > 1
