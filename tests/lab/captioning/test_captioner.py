from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from torch import Tensor
from torch.nn import functional as F

from soundseek.errors import DataError
from soundseek.lab.captioning.captioner import Captioner
from support.captioners import CAPTIONS, WIDTH, captioner, sounds

pytestmark = pytest.mark.lab

KINDS: list[dict[str, Any]] = [
    {},
    {"hidden": "mean"},
    {"hidden": "mean_last_two"},
    {"encoder": "none"},
]


def by_hand(made: Captioner, sequence: Tensor, mask: Tensor, labels: Tensor, **more: Any) -> Any:
    """The DCASE 2022 baseline's way: the encoder run with `inputs_embeds`, its states handed to
    BART with labels."""
    network = made.network
    encoded = network.model.encoder(
        inputs_embeds=made.adapter(sequence), attention_mask=mask.long(), output_hidden_states=True
    )
    states = {
        "last": encoded.last_hidden_state,
        "mean": sum(encoded.hidden_states) / len(encoded.hidden_states),
        "mean_last_two": (encoded.hidden_states[-1] + encoded.hidden_states[-2]) / 2,
    }[made.resources()["settings"]["hidden"]]
    return network(encoder_outputs=[states], attention_mask=mask.long(), labels=labels, **more)


@pytest.mark.parametrize("hidden", ["last", "mean", "mean_last_two"])
def test_logits_and_loss_are_those_of_transformers(hidden: str) -> None:
    made = captioner(hidden=hidden, adapter_layers=2)
    sequence, mask = sounds(6, 3)
    ids, own = made.tokens.encode(CAPTIONS[:2])
    labels = ids.masked_fill(~own, -100)
    expected = by_hand(made, sequence, mask, labels)
    torch.testing.assert_close(made(sequence, mask, ids)[own], expected.logits[own])
    torch.testing.assert_close(made.loss(sequence, mask, ids), expected.loss)


def test_all_hidden_states_are_the_layers_and_what_enters_the_first() -> None:
    made = captioner(hidden="mean", encoder_layers=3)
    sequence, mask = sounds(6)
    heard: list[Tensor] = []
    for layer in made.network.model.encoder.layers:
        layer.register_forward_hook(lambda _, given, out: heard.extend([given[0], out]))
    states = made.encode(sequence, mask)
    torch.testing.assert_close(states, torch.stack([heard[0], *heard[1::2]]).mean(0))


def test_the_baselines_loss_counts_pads_up_to_the_most_tokens() -> None:
    made = captioner()
    sequence, mask = sounds(6, 3)
    ids, own = made.tokens.encode(CAPTIONS[:2])
    missing = made.tokens.max_tokens - ids.shape[1]
    labels = F.pad(ids, (0, missing), value=made.tokens.pad)
    expected = by_hand(
        made, sequence, mask, labels, decoder_attention_mask=F.pad(own, (0, missing)).long()
    )
    losses = made.token_losses(sequence, mask, ids, pads_in_loss=True)
    assert losses.counts.tolist() == [made.tokens.max_tokens] * 2
    torch.testing.assert_close(made.loss(sequence, mask, ids, pads_in_loss=True), expected.loss)
    # However the batch is padded.
    torch.testing.assert_close(made.loss(sequence, mask, labels, pads_in_loss=True), expected.loss)
    difference = made.loss(sequence, mask, ids) - expected.loss
    assert abs(difference.item()) > 1e-3


def test_smoothed_labels() -> None:
    made = captioner()
    sequence, mask = sounds(6, 3)
    ids, own = made.tokens.encode(CAPTIONS[:2])
    logs = made(sequence, mask, ids).log_softmax(2)
    plain = -logs.gather(2, ids.unsqueeze(2)).squeeze(2)
    expected = (0.9 * plain - 0.1 * logs.mean(2))[own].mean()
    torch.testing.assert_close(made.loss(sequence, mask, ids, label_smoothing=0.1), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_does_not_depend_on_its_batch(kind: dict[str, Any]) -> None:
    made = captioner(**kind)
    ids, _ = made.tokens.encode(CAPTIONS[:2])
    together = made.token_losses(*sounds(4, 9, padding=50.0), ids)
    alone, mask = sounds(4)
    single, _ = made.tokens.encode(CAPTIONS[:1])
    torch.testing.assert_close(made.token_losses(alone, mask, single).sums[0], together.sums[0])
    other, _ = sounds(4)
    changed = made.token_losses(other + 1.0, mask, single).sums[0]
    assert abs((changed - together.sums[0]).item()) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_resources_are_json_and_bring_back_the_captioner(kind: dict[str, Any]) -> None:
    made = captioner(**kind)
    again = Captioner.from_resources(json.loads(json.dumps(made.resources())))
    again.load_state_dict(made.state_dict())
    again.eval()
    sequence, mask = sounds(6, 3)
    ids, _ = made.tokens.encode(CAPTIONS[:2])
    assert torch.equal(again(sequence, mask, ids), made(sequence, mask, ids))
    assert again.resources() == made.resources()


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_is_used(kind: dict[str, Any]) -> None:
    made = captioner(adapter_layers=2, **kind)
    ids, _ = made.tokens.encode(CAPTIONS[:2])
    made.loss(*sounds(6, 3), ids).backward()
    assert all(parameter.grad is not None for parameter in made.parameters())


def test_half_precision() -> None:
    made = captioner()
    ids, _ = made.tokens.encode(CAPTIONS[:2])
    exact = made.loss(*sounds(6, 3), ids)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = made.loss(*sounds(6, 3), ids)
    assert rough.dtype == torch.float32
    assert rough.item() == pytest.approx(exact.item(), rel=0.05)


def test_what_does_not_fit_is_refused() -> None:
    made = captioner(positions=24)
    ids, _ = made.tokens.encode(CAPTIONS[:1])
    with pytest.raises(DataError, match=r"25 steps.*24 positions"):
        made.loss(*sounds(25), ids)
    with pytest.raises(DataError, match="3 wide"):
        made.encode(torch.zeros(1, 4, 3), torch.ones(1, 4).bool())
    with pytest.raises(DataError, match="without an adapter"):
        captioner(adapter_layers=0)


def test_without_an_encoder_any_number_of_steps_will_do() -> None:
    made = captioner(encoder="none", positions=24)
    ids, _ = made.tokens.encode(CAPTIONS[:1])
    assert made.loss(*sounds(90), ids).isfinite()
    assert not any("encoder.layers" in name for name in made.state_dict())


def test_an_adapter_of_two_layers_has_a_relu_between() -> None:
    made = captioner(adapter_layers=2)
    kinds = [type(layer).__name__ for layer in made.adapter.children()]
    assert kinds == ["Linear", "ReLU", "Linear"]
    assert made.adapter.state_dict()["0.weight"].shape == (16, WIDTH)
