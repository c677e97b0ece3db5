"""How a BERT or RoBERTa of transformers is made: of a public size, or from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from torch import nn

from soundseek.errors import DataError, RecipeError
from soundseek.lab.choices import chosen
from soundseek.lab.text_encoders import hub
from soundseek.lab.text_encoders.options import (
    config_fields,
    even_heads,
    refuse_sizes,
    within_positions,
)
from soundseek.lab.text_encoders.subwords import Subwords, learnt_subwords
from soundseek.lab.text_encoders.tokenizer import MASK

_BASE: Final = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}
_LARGE: Final = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
_BERT: Final = {"vocab_size": 30_522, "max_position_embeddings": 512, "layer_norm_eps": 1e-12}
_ROBERTA: Final = {
    "vocab_size": 50_265,
    "max_position_embeddings": 514,
    "layer_norm_eps": 1e-5,
    "type_vocab_size": 1,
}
# Sizes of the public models, so that a random one of theirs needs no download; the first is the
# default of its architecture.
PUBLIC: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = MappingProxyType(
    {
        "bert": {"bert-base-uncased": _BASE | _BERT, "bert-large-uncased": _LARGE | _BERT},
        "roberta": {"roberta-base": _BASE | _ROBERTA, "roberta-large": _LARGE | _ROBERTA},
    }
)
NETWORKS: Final = {"bert": "BertForMaskedLM", "roberta": "RobertaForMaskedLM"}
HEADS: Final = {"bert": "cls", "roberta": "lm_head"}


def random_parts(
    architecture: str,
    model: str | None,
    sizes: Mapping[str, int | None],
    vocabulary: int | None,
    texts: Sequence[str],
    max_tokens: int,
) -> tuple[Any, Subwords]:
    """Configuration and tokenizer of an encoder with random weights."""
    given = config_fields(sizes)
    if model is not None and Path(model).expanduser().is_dir():
        if vocabulary is not None:
            raise RecipeError(
                f"vocabulary is {vocabulary}, and {model} brings a tokenizer",
                remedy="leave vocabulary out, or the folder",
            )
        config = changed(_read_config(model, architecture), given)
        subwords = Subwords(
            hub.read_tokenizer(model), max_tokens=max_tokens, pad_id=config.pad_token_id
        )
    else:
        public = PUBLIC[architecture]
        name = next(iter(public)) if model is None else model.rpartition("/")[2]
        document = {**chosen(public, name, f"public {architecture} model"), **given}
        subwords = learnt_subwords(
            texts,
            vocabulary=vocabulary or document["vocab_size"],
            max_tokens=max_tokens,
            extra=(MASK,),
        )
        document |= {"vocab_size": subwords.size, "pad_token_id": subwords.pad_id}
        config = hub.config_from({"model_type": architecture, **document}, where=name)
    even_heads(config.hidden_size, config.num_attention_heads, architecture)
    within_positions(max_tokens, _positions(config), architecture)
    return config, subwords


def _read_config(model: str, architecture: str) -> Any:
    config = hub.read_config(model)
    if config.model_type != architecture:
        raise DataError(
            f"{model} is a {config.model_type}, not a {architecture}",
            remedy=f"use the text encoder {config.model_type}"
            if config.model_type in NETWORKS
            else "use the text encoder sentence_transformer",
        )
    return config


def changed(config: Any, changes: Mapping[str, Any]) -> Any:
    return hub.config_from({**config.to_dict(), **changes}, where=f"the {config.model_type}")


def _positions(config: Any) -> int:
    """How many tokens a text may have: RoBERTa counts from behind the padding's id."""
    first = config.pad_token_id + 1 if config.model_type == "roberta" else 0
    return int(config.max_position_embeddings) - first


def new_network(config: Any) -> nn.Module:
    """The architecture with random weights."""
    kind = getattr(hub.transformers_library(), NETWORKS[config.model_type])
    with hub.quiet():
        network: nn.Module = kind(_attending(config))
    return network


def pretrained_parts(
    architecture: str,
    model: str | None,
    sizes: Mapping[str, int | None],
    vocabulary: int | None,
    max_tokens: int,
) -> tuple[Any, Subwords]:
    """Configuration and tokenizer of a folder or hub repository.

    Raises `RecipeError` without one, or with sizes; `DataError` for another architecture.
    """
    if model is None:
        raise RecipeError(
            f"pretrained {architecture} needs a model",
            remedy=f"set model to a folder or hub name, {next(iter(PUBLIC[architecture]))} for one,"
            " or weights=random",
        )
    refuse_sizes({**sizes, "vocabulary": vocabulary}, architecture)
    config = _read_config(model, architecture)
    within_positions(max_tokens, _positions(config), model)
    subwords = Subwords(
        hub.read_tokenizer(model), max_tokens=max_tokens, pad_id=config.pad_token_id
    )
    return config, subwords


def pretrained_network(model: str, config: Any) -> tuple[nn.Module, tuple[str, ...]]:
    kind = getattr(hub.transformers_library(), NETWORKS[config.model_type])
    head = HEADS[config.model_type]
    return hub.load_network(
        kind,
        _attending(config),
        hub.read_tensors(model),
        where=model,
        may_be_new=lambda key: ".crossattention." in key or key.startswith(f"{head}."),
        may_be_unused=lambda key: (
            "pooler." in key or "seq_relationship." in key or key.endswith("position_ids")
        ),
    )


def _attending(config: Any) -> Any:
    # The masks are bool: torch's own attention takes them, transformers' slow one does not.
    config._attn_implementation = "sdpa"
    return config
