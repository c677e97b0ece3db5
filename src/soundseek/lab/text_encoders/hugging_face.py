"""BERT and RoBERTa as text encoders that can also listen (Devlin et al. 2019; Liu et al. 2019).

With `cross_attention` the layers get a second attention, to sound, behind the one to words: one
network then serves as text tower (without sound), for matching (with sound, every word seeing
every word) and for masked language modelling (with sound, a word seeing those before it), in the
manner of ALBEF (Li et al. 2021) and VAST (Chen et al. 2023).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

import torch
from torch import Tensor, nn

from soundseek.errors import DataError, RecipeError
from soundseek.lab.encodings import TextEncoding, Tokens, masked_mean
from soundseek.lab.text_encoders import Weights, hub
from soundseek.lab.text_encoders.bert_family import (
    HEADS,
    NETWORKS,
    changed,
    new_network,
    pretrained_network,
    pretrained_parts,
    random_parts,
)
from soundseek.lab.text_encoders.options import one_of, refuse_unknown
from soundseek.lab.text_encoders.subwords import Subwords

_LOGGER = logging.getLogger(__name__)

_POOLINGS: Final = ("cls", "mean")


class HuggingFaceText(nn.Module):
    """Token ids and mask `[batch, tokens]` → `TextEncoding` of `width`.

    `pooled` is the state of the first token (`cls`) or the mean over the text's (`mean`).

    Attributes:
        mask_id, special_ids, vocabulary_size: of the tokenizer.
        cross_attention: whether `fuse` can be used.
        audio_width: of the sound's states that `fuse` takes.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"layers": 2, "width": 32, "heads": 2, "intermediate": 64, "vocabulary": 300}
    )

    def __init__(
        self,
        network: nn.Module,
        subwords: Subwords,
        *,
        pooling: str,
        audio_width: int | None = None,
        new: Sequence[str] | None = None,
    ) -> None:
        """From a transformers masked language model and its tokenizer; see `create`."""
        super().__init__()
        if subwords.mask_id is None:
            raise DataError(
                "the tokenizer has no [MASK] and no <mask>",
                remedy="give the tokenizer that belongs to the model",
            )
        config: Any = network.config
        if subwords.size > config.vocab_size:
            raise DataError(
                f"the tokenizer has {subwords.size} tokens, the model {config.vocab_size}",
                remedy="give the tokenizer that belongs to the model",
            )
        self.network = network
        self.pooling = pooling
        self.width: int = config.hidden_size
        self.max_tokens = subwords.max_tokens
        self.mask_id: int = subwords.mask_id
        self.special_ids = subwords.special_ids
        self.vocabulary_size: int = config.vocab_size
        self.cross_attention: bool = config.add_cross_attention
        self.audio_width: int = audio_width or self.width
        self._subwords = subwords
        self._new = new
        self.audio_projection = (
            nn.Linear(self.audio_width, self.width)
            if self.cross_attention and self.audio_width != self.width
            else None
        )

    @classmethod
    def create(
        cls,
        *,
        model: str | None,
        weights: Weights,
        texts: Sequence[str],
        max_tokens: int,
        architecture: str = "bert",
        pooling: str = "cls",
        cross_attention: bool = False,
        audio_width: int | None = None,
        dropout: float | None = None,
        layers: int | None = None,
        width: int | None = None,
        heads: int | None = None,
        intermediate: int | None = None,
        vocabulary: int | None = None,
        **unknown: Any,
    ) -> Self:
        """A new encoder.

        Args:
            model: a folder or hub name; with random weights also the name of a public model, of
                which only the sizes are taken (None: the base model).
            weights: `pretrained`: as `model` has them; cross-attention, which public checkpoints
                lack, is drawn anew and listed in `report`. `random`: all are drawn.
            texts: where `model` is no folder, random weights learn their tokenizer from these.
            max_tokens: a longer text is cut.
            architecture: `bert` or `roberta`.
            pooling: `cls` or `mean`.
            cross_attention: add layers that attend to sound.
            audio_width: width of the sound's states, where it is not the text's: a linear layer
                is put before the cross-attention.
            dropout: of hidden states and attention weights, instead of the model's own.
            layers, width, heads, intermediate, vocabulary: sizes, for random weights only.

        Raises `RecipeError` for options that do not fit, `DataError` for what cannot be read.
        """
        refuse_unknown(cls.create, unknown, architecture)
        one_of(architecture, NETWORKS, "architecture")
        one_of(pooling, _POOLINGS, "pooling")
        one_of(weights, ("pretrained", "random"), "kind of weights")
        sizes = {
            "layers": layers,
            "width": width,
            "heads": heads,
            "intermediate": intermediate,
        }
        changes: dict[str, Any] = {
            "add_cross_attention": cross_attention,
            "is_decoder": cross_attention,  # without it transformers builds no cross-attention
            "use_cache": False,
        }
        if dropout is not None:
            changes |= {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
        if weights == "random":
            config, subwords = random_parts(
                architecture, model, sizes, vocabulary, texts, max_tokens
            )
            network, new = new_network(changed(config, changes)), None
        else:
            config, subwords = pretrained_parts(architecture, model, sizes, vocabulary, max_tokens)
            network, new = pretrained_network(str(model), changed(config, changes))
        made = cls(network, subwords, pooling=pooling, audio_width=audio_width, new=new)
        if made.report():
            _LOGGER.warning(
                "%s: drawn anew, since the checkpoint has none: %s", model, ", ".join(made.report())
            )
        return made

    @classmethod
    def from_resources(cls, resources: Mapping[str, Any]) -> Self:
        """The encoder that `resources` describes, its weights to be loaded."""
        config = hub.config_from(json.loads(resources["config"]), where="the text encoder's config")
        subwords = Subwords(
            resources["tokenizer"], max_tokens=resources["max_tokens"], pad_id=config.pad_token_id
        )
        return cls(
            new_network(config),
            subwords,
            pooling=resources["pooling"],
            audio_width=resources["audio_width"],
        )

    def resources(self) -> dict[str, Any]:
        """What `from_resources` needs: configuration and tokenizer as JSON, and settings."""
        return {
            "config": hub.config_json(self.network.config),
            "tokenizer": self._subwords.document,
            "max_tokens": self.max_tokens,
            "pooling": self.pooling,
            "audio_width": self.audio_width,
        }

    def report(self) -> list[str]:
        """The parameters that were drawn anew although weights were pretrained."""
        if self._new is None:
            return []
        projection = [] if self.audio_projection is None else ["audio_projection"]
        return [f"network.{name}" for name in self._new] + projection

    def tokenise(self, texts: Sequence[str]) -> Tokens:
        """Texts → ids and mask `[texts, longest]`, cut at `max_tokens`."""
        return self._subwords(texts)

    def forward(self, ids: Tensor, mask: Tensor) -> TextEncoding:
        return self.forward_embedded(self.embed(ids), mask)

    def embed(self, ids: Tensor) -> Tensor:
        """Ids `[batch, tokens]` → word embeddings `[batch, tokens, width]`, before positions and
        normalisation: the place to mix two texts."""
        embedded: Tensor = self._network.base_model.get_input_embeddings()(ids)
        return embedded

    def forward_embedded(self, embedded: Tensor, mask: Tensor) -> TextEncoding:
        """Word embeddings as `embed` gives them → `TextEncoding`."""
        sequence = self._states(embedded, mask[:, None, None, :])
        pooled = sequence[:, 0] if self.pooling == "cls" else masked_mean(sequence, mask)
        return TextEncoding(sequence=sequence, mask=mask, pooled=pooled)

    def fuse(
        self, ids: Tensor, mask: Tensor, audio: Tensor, audio_mask: Tensor, *, causal: bool = False
    ) -> Tensor:
        """States of the words of a text that is read while listening.

        Args:
            ids, mask: `[batch, tokens]`.
            audio: the sound's states `[batch, steps, audio_width]`.
            audio_mask: bool `[batch, steps]`.
            causal: a word sees itself and those before it, instead of all.

        Returns `[batch, tokens, width]`. Raises `RecipeError` without cross-attention, `DataError`
        for states of another width.
        """
        if not self.cross_attention:
            raise RecipeError(
                "this text encoder cannot attend to sound",
                remedy="make it with cross_attention: true",
            )
        if audio.shape[-1] != self.audio_width:
            raise DataError(
                f"the sound's states are {audio.shape[-1]} wide, not {self.audio_width}",
                remedy=f"set audio_width={audio.shape[-1]} on the text encoder",
            )
        if self.audio_projection is not None:
            audio = self.audio_projection(audio)
        seen = mask[:, None, None, :]
        if causal:
            n = ids.shape[1]
            seen = seen & torch.ones(n, n, dtype=torch.bool, device=ids.device).tril()
        return self._states(self.embed(ids), seen, audio, audio_mask[:, None, None, :])

    def vocabulary_logits(self, sequence: Tensor) -> Tensor:
        """States `[..., width]` → `[..., vocabulary_size]`, by the model's own prediction head,
        whose last layer is the table of word embeddings."""
        logits: Tensor = getattr(self._network, HEADS[self._network.config.model_type])(sequence)
        return logits

    @property
    def _network(self) -> Any:
        return self.network

    def _states(
        self,
        embedded: Tensor,
        seen: Tensor,
        audio: Tensor | None = None,
        audio_seen: Tensor | None = None,
    ) -> Tensor:
        # transformers takes masks of four dimensions as they are; from two it would make causal
        # ones, since a model with cross-attention is a decoder to it.
        states: Tensor = self._network.base_model(
            inputs_embeds=embedded,
            attention_mask=seen.expand(-1, -1, embedded.shape[1], -1),
            encoder_hidden_states=audio,
            encoder_attention_mask=(
                None if audio_seen is None else audio_seen.expand(-1, -1, embedded.shape[1], -1)
            ),
        ).last_hidden_state
        return states
