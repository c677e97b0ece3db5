"""The captioner: steps of sound → states that a decoder attends to → words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.errors import DataError
from soundseek.lab.captioning.network import network_from
from soundseek.lab.captioning.tokens import CaptionTokens

_IGNORED = -100
_STATES_OF = {"last": 1, "mean_last_two": 2}


class TokenLosses(NamedTuple):
    """Of each caption the sum over its tokens `[batch]`, and how many these are `[batch]`."""

    sums: Tensor
    counts: Tensor


class Captioner(nn.Module):
    """An adapter, BART's encoder or none, and BART's decoder with its table of words as the last
    layer (DCASE 2022 Task 6A baseline; CMU 2022, sections 5.1 and 6.1).

    Sound is a sequence `[batch, steps, width]` and a mask bool `[batch, steps]` (True = sound, none
    of it behind padding); what is behind the end of a sound changes nothing. Captions are ids
    `[batch, tokens]` as `CaptionTokens.encode` gives them.

    Args:
        width: of a step of sound, its events included.
        adapter_layers: linear layers with ReLU between; 0: none, the sound is as wide as the
            network.
        adapter_hidden: width between them; None: the network's.
        hidden: which of the encoder's states the decoder attends to: `last`, `mean` (of all, with
            what enters the first layer), `mean_last_two`.

    Attributes:
        tokens: of the captions.
        width: as above.
        network: transformers' `BartForConditionalGeneration`; without an encoder, that is an
            `Identity`.
    """

    def __init__(
        self,
        network: nn.Module,
        tokens: CaptionTokens,
        *,
        width: int,
        adapter_layers: int = 1,
        adapter_hidden: int | None = None,
        hidden: str = "last",
    ) -> None:
        """Raises `DataError` for a width that does not fit the network without an adapter."""
        super().__init__()
        self.tokens = tokens
        self.width = width
        self.network: Any = network
        self.adapter = _adapter(width, adapter_layers, adapter_hidden, self._config.d_model)
        self._settings = {
            "width": width,
            "adapter_layers": adapter_layers,
            "adapter_hidden": adapter_hidden,
            "hidden": hidden,
        }
        self._hidden = hidden

    @classmethod
    def from_resources(cls, resources: Mapping[str, Any]) -> Self:
        """The captioner that `resources` describes, its weights to be loaded: no hub is asked."""
        network = network_from(resources["network"], resources["encoder"])
        return cls(
            network, CaptionTokens.from_resources(resources["tokens"]), **resources["settings"]
        )

    def resources(self) -> dict[str, Any]:
        """What `from_resources` needs, as JSON holds it."""
        return {
            "network": self._config.to_dict(),
            "encoder": "bart" if self._encodes else "none",
            "tokens": self.tokens.resources(),
            "settings": dict(self._settings),
        }

    def encode(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """Sound → the states that the decoder attends to, `[batch, steps, network's width]`.

        Raises `DataError` for steps of another width, or more of them than the network has
        positions.
        """
        if sequence.shape[2] != self.width:
            raise DataError(
                f"steps of sound are {sequence.shape[2]} wide, and the captioner takes {self.width}"
            )
        adapted: Tensor = self.adapter(sequence)
        if not self._encodes:
            return adapted
        if sequence.shape[1] > self._config.max_position_embeddings:
            raise DataError(
                f"a sound of {sequence.shape[1]} steps, and the network has "
                f"{self._config.max_position_embeddings} positions",
                remedy="set a shorter audio.max_s, or more network.positions",
            )
        kept = self._hidden != "last"
        encoded = self.network.model.encoder(
            inputs_embeds=adapted, attention_mask=mask, output_hidden_states=kept
        )
        if not kept:
            last: Tensor = encoded.last_hidden_state
            return last
        states = encoded.hidden_states[-_STATES_OF.get(self._hidden, 0) :]
        return torch.stack(states).mean(0)

    def decode(
        self, states: Tensor, mask: Tensor, entered: Tensor, entered_mask: Tensor | None = None
    ) -> Tensor:
        """States as `encode` gives them, and what the decoder has read `[batch, tokens]`, its start
        included → logits of the next token `[batch, tokens, vocabulary]`."""
        logits: Tensor = self.network(
            encoder_outputs=(states,),
            attention_mask=mask,
            decoder_input_ids=entered,
            decoder_attention_mask=entered_mask,
            use_cache=False,
        ).logits
        return logits

    def forward(self, sequence: Tensor, mask: Tensor, ids: Tensor) -> Tensor:
        """Logits `[batch, tokens, vocabulary]` of each token of captions, from the sound and the
        tokens before it."""
        return self.decode(self.encode(sequence, mask), mask, self.shifted(ids))

    def token_losses(
        self,
        sequence: Tensor,
        mask: Tensor,
        ids: Tensor,
        *,
        label_smoothing: float = 0.0,
        pads_in_loss: bool = False,
    ) -> TokenLosses:
        """Cross-entropies in float32, of captions' own tokens, their start and end included.

        `pads_in_loss`: of all `tokens.max_tokens`, as the DCASE 2022 baseline has it: captions are
        padded that far and pads are tokens to be learnt.
        """
        if pads_in_loss:
            missing = max(0, self.tokens.max_tokens - ids.shape[1])
            ids = F.pad(ids, (0, missing), value=self.tokens.pad)
        own = ids != self.tokens.pad
        # The baseline hides pads from the decoder, by the mask of what is to be written.
        entered_mask = own if pads_in_loss else None
        logits = self.decode(self.encode(sequence, mask), mask, self.shifted(ids), entered_mask)
        labels = ids if pads_in_loss else ids.masked_fill(~own, _IGNORED)
        losses = F.cross_entropy(
            logits.float().transpose(1, 2),
            labels,
            ignore_index=_IGNORED,
            label_smoothing=label_smoothing,
            reduction="none",
        )
        return TokenLosses(losses.sum(1), (labels != _IGNORED).sum(1))

    def loss(
        self,
        sequence: Tensor,
        mask: Tensor,
        ids: Tensor,
        *,
        label_smoothing: float = 0.0,
        pads_in_loss: bool = False,
    ) -> Tensor:
        """The mean of `token_losses` over all tokens of the batch."""
        sums, counts = self.token_losses(
            sequence, mask, ids, label_smoothing=label_smoothing, pads_in_loss=pads_in_loss
        )
        return sums.sum() / counts.sum()

    def shifted(self, ids: Tensor) -> Tensor:
        """Captions → what the decoder reads to write them: its start, and all but the last."""
        start = ids.new_full((len(ids), 1), self._config.decoder_start_token_id)
        return torch.cat([start, ids[:, :-1]], dim=1)

    @property
    def _config(self) -> Any:
        return self.network.config

    @property
    def _encodes(self) -> bool:
        return not isinstance(self.network.model.encoder, nn.Identity)


def _adapter(width: int, layers: int, hidden: int | None, to: int) -> nn.Module:
    if layers == 0:
        if width != to:
            raise DataError(
                f"sound of width {width} does not fit a network of width {to} without an adapter",
                remedy=f"set adapter.layers of 1 or more, or network.width={width}",
            )
        return nn.Identity()
    parts: list[nn.Module] = []
    for _ in range(layers - 1):
        parts += [nn.Linear(width, hidden or to), nn.ReLU()]
        width = hidden or to
    return nn.Sequential(*parts, nn.Linear(width, to))
