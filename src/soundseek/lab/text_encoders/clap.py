"""The text tower of a Hugging Face CLAP: RoBERTa, its pooler, a projection (Wu et al. 2023)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.errors import DataError, RecipeError
from soundseek.lab.encodings import TextEncoding, Tokens
from soundseek.lab.text_encoders import Weights, hub
from soundseek.lab.text_encoders.options import (
    config_fields,
    even_heads,
    one_of,
    refuse_sizes,
    refuse_unknown,
    within_positions,
)
from soundseek.lab.text_encoders.subwords import Subwords, learnt_subwords

_POOLED: Final = ("pooler", "projected")
_KIND: Final = "ClapTextModelWithProjection"


class ClapText(nn.Module):
    """Token ids and mask `[batch, tokens]` → `TextEncoding`.

    `pooled` is the pooler's output, or, where `pooled` is `projected`, the L2-normalised projection
    into the space that the public model shares with its audio tower's `embedding`.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "layers": 2,
            "width": 32,
            "heads": 2,
            "intermediate": 64,
            "projection": 16,
            "vocabulary": 300,
        }
    )

    def __init__(self, network: nn.Module, subwords: Subwords, *, pooled: str) -> None:
        """From a transformers text model with projection and its tokenizer; see `create`."""
        super().__init__()
        config: Any = network.config
        if subwords.size > config.vocab_size:
            raise DataError(
                f"the tokenizer has {subwords.size} tokens, the model {config.vocab_size}",
                remedy="give the tokenizer that belongs to the model",
            )
        self.network = network
        self.pooled = pooled
        self.width: int = config.hidden_size if pooled == "pooler" else config.projection_dim
        self.max_tokens = subwords.max_tokens
        self._subwords = subwords

    @classmethod
    def create(
        cls,
        *,
        model: str | None,
        weights: Weights,
        texts: Sequence[str],
        max_tokens: int,
        pooled: str = "pooler",
        layers: int | None = None,
        width: int | None = None,
        heads: int | None = None,
        intermediate: int | None = None,
        projection: int | None = None,
        vocabulary: int | None = None,
        **unknown: Any,
    ) -> Self:
        """A new encoder.

        Args:
            model: a folder or hub name of a CLAP with both towers or of its text tower; None, with
                random weights, for the size of laion/clap-htsat-unfused.
            weights: `pretrained` or `random`.
            texts: without a model, the tokenizer is learnt from these.
            max_tokens: a longer text is cut.
            pooled: `pooler` or `projected`.
            layers, width, heads, intermediate, projection, vocabulary: sizes, where there is no
                model.

        Raises `RecipeError` for options that do not fit, `DataError` for what cannot be read.
        """
        refuse_unknown(cls.create, unknown, "clap")
        one_of(pooled, _POOLED, "pooled")
        one_of(weights, ("pretrained", "random"), "kind of weights")
        sizes = {
            "layers": layers,
            "width": width,
            "heads": heads,
            "intermediate": intermediate,
            "projection": projection,
        }
        if model is None:
            if weights == "pretrained":
                raise RecipeError(
                    "a pretrained clap needs a model",
                    remedy="set model to a folder or hub name, laion/clap-htsat-unfused for one, "
                    "or weights=random",
                )
            config = hub.config_from(
                {"model_type": "clap_text_model", **config_fields(sizes)}, where="clap"
            )
            even_heads(config.hidden_size, config.num_attention_heads, "clap")
            subwords = learnt_subwords(
                texts, vocabulary=vocabulary or config.vocab_size, max_tokens=max_tokens
            )
            config.vocab_size, config.pad_token_id = subwords.size, subwords.pad_id
            network = _network(config)
        else:
            refuse_sizes({**sizes, "vocabulary": vocabulary}, "clap")
            config = _read_config(model)
            subwords = Subwords(
                hub.read_tokenizer(model), max_tokens=max_tokens, pad_id=config.pad_token_id
            )
            network = _network(config) if weights == "random" else _pretrained(model, config)
        positions = config.max_position_embeddings - config.pad_token_id - 1
        within_positions(max_tokens, positions, "clap")
        return cls(network, subwords, pooled=pooled)

    @classmethod
    def from_resources(cls, resources: Mapping[str, Any]) -> Self:
        """The encoder that `resources` describes, its weights to be loaded."""
        config = hub.config_from(json.loads(resources["config"]), where="the text encoder's config")
        subwords = Subwords(
            resources["tokenizer"], max_tokens=resources["max_tokens"], pad_id=config.pad_token_id
        )
        return cls(_network(config), subwords, pooled=resources["pooled"])

    def resources(self) -> dict[str, Any]:
        """What `from_resources` needs: configuration and tokenizer as JSON, and settings."""
        return {
            "config": hub.config_json(self.network.config),
            "tokenizer": self._subwords.document,
            "max_tokens": self.max_tokens,
            "pooled": self.pooled,
        }

    def tokenise(self, texts: Sequence[str]) -> Tokens:
        """Texts → ids and mask `[texts, longest]`, cut at `max_tokens`."""
        return self._subwords(texts)

    def forward(self, ids: Tensor, mask: Tensor) -> TextEncoding:
        text_model: Any = self.network.text_model
        output = text_model(input_ids=ids, attention_mask=mask.long())
        pooled: Tensor = output.pooler_output
        return TextEncoding(
            sequence=output.last_hidden_state,
            mask=mask,
            pooled=pooled if self.pooled == "pooler" else self.project(pooled),
        )

    def project(self, pooled: Tensor) -> Tensor:
        """The pooler's output `[batch, hidden]` → the shared space `[batch, projection]`,
        L2-normalised."""
        projection: Any = self.network.text_projection
        return F.normalize(projection(pooled), dim=-1)


def _read_config(model: str) -> Any:
    config = hub.read_config(model)
    if config.model_type == "clap":
        config = config.text_config
    if config.model_type != "clap_text_model":
        raise DataError(f"{model} is a {config.model_type}, not a clap")
    return config


def _network(config: Any) -> nn.Module:
    with hub.quiet():
        network: nn.Module = getattr(hub.transformers_library(), _KIND)(config)
    return network


def _pretrained(model: str, config: Any) -> nn.Module:
    network: nn.Module
    network, _ = hub.load_network(
        getattr(hub.transformers_library(), _KIND),
        config,
        hub.read_tensors(model),
        where=model,
        may_be_new=lambda key: key.endswith(("position_ids", "token_type_ids")),
        may_be_unused=lambda key: key.startswith(
            ("audio_model.", "audio_projection.", "logit_scale")
        ),
    )
    return network
