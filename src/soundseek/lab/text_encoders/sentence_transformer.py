"""Sentence-Transformers models, read through transformers alone (Reimers and Gurevych 2019).

Such a model is a folder: a transformers model, `modules.json` with what follows it, and the
settings of the pooling. all-MiniLM-L6-v2 and all-mpnet-base-v2 are the usual ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.errors import DataError, RecipeError
from soundseek.lab.encodings import TextEncoding, Tokens, masked_mean
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

_POOLINGS: Final = ("mean", "cls", "max")
# What the settings of older and newer versions call them.
_POOLING_NAMES: Final = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}
# A random model without a folder is of all-MiniLM-L6-v2's size (Wang et al. 2020).
_MINI_LM: Final = {
    "model_type": "bert",
    "num_hidden_layers": 6,
    "hidden_size": 384,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}
_VOCABULARY: Final = 30_522


class _Recipe(NamedTuple):
    """What follows the transformers model in a folder."""

    pooling: str = "mean"
    normalise: bool = True
    lower_case: bool = False


class SentenceTransformerText(nn.Module):
    """Token ids and mask `[batch, tokens]` → `TextEncoding`, `pooled` the sentence vector."""

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"layers": 2, "width": 32, "heads": 2, "intermediate": 64, "vocabulary": 300}
    )

    def __init__(self, network: Any, subwords: Subwords, *, pooling: str, normalise: bool) -> None:
        """From a transformers encoder and its tokenizer; see `create`."""
        super().__init__()
        config = network.config
        if subwords.size > config.vocab_size:
            raise DataError(
                f"the tokenizer has {subwords.size} tokens, the model {config.vocab_size}",
                remedy="give the tokenizer that belongs to the model",
            )
        # Sentence vectors are pooled from the states: a pooler would be trained to no end.
        if getattr(network, "pooler", None) is not None:
            network.pooler = None
        self.network: nn.Module = network
        self.width: int = config.hidden_size
        self.max_tokens = subwords.max_tokens
        self.pooling = pooling
        self.normalise = normalise
        self._subwords = subwords

    @classmethod
    def create(
        cls,
        *,
        model: str | None,
        weights: Weights,
        texts: Sequence[str],
        max_tokens: int,
        pooling: str | None = None,
        normalise: bool | None = None,
        layers: int | None = None,
        width: int | None = None,
        heads: int | None = None,
        intermediate: int | None = None,
        vocabulary: int | None = None,
        **unknown: Any,
    ) -> Self:
        """A new encoder.

        Args:
            model: a folder or hub name; None, with random weights, for the size of MiniLM-L6.
            weights: `pretrained` or `random`.
            texts: without a model, the tokenizer is learnt from these.
            max_tokens: a longer text is cut.
            pooling: `mean`, `cls` or `max`; None: as the model says, `mean` where it does not.
            normalise: L2-normalise the sentence vectors; None: as the model says, True without one.
            layers, width, heads, intermediate, vocabulary: sizes, where there is no model.

        Raises `RecipeError` for options that do not fit, `DataError` for what cannot be read, and
        for models that are more than a transformer, a pooling and a normalisation.
        """
        refuse_unknown(cls.create, unknown, "sentence_transformer")
        one_of(weights, ("pretrained", "random"), "kind of weights")
        if pooling is not None:
            one_of(pooling, _POOLINGS, "pooling")
        sizes = {
            "layers": layers,
            "width": width,
            "heads": heads,
            "intermediate": intermediate,
        }
        if model is None:
            if weights == "pretrained":
                raise RecipeError(
                    "a pretrained sentence_transformer needs a model",
                    remedy="set model to a folder or hub name, or weights=random",
                )
            recipe = _Recipe()
            subwords = learnt_subwords(
                texts, vocabulary=vocabulary or _VOCABULARY, max_tokens=max_tokens
            )
            config = hub.config_from(
                {
                    **_MINI_LM,
                    **config_fields(sizes),
                    "vocab_size": subwords.size,
                    "pad_token_id": subwords.pad_id,
                },
                where="sentence_transformer",
            )
            even_heads(config.hidden_size, config.num_attention_heads, "sentence_transformer")
            network = _network(config)
        else:
            refuse_sizes({**sizes, "vocabulary": vocabulary}, "sentence_transformer")
            recipe, body = _read_recipe(model)
            config = hub.read_config(body)
            subwords = Subwords(
                hub.read_tokenizer(body),
                max_tokens=max_tokens,
                pad_id=getattr(config, "pad_token_id", None) or 0,
                lower_case=recipe.lower_case,
            )
            network = _network(config) if weights == "random" else _pretrained(body, config)
        within_positions(max_tokens, _positions(config), "sentence_transformer")
        return cls(
            network,
            subwords,
            pooling=pooling or recipe.pooling,
            normalise=recipe.normalise if normalise is None else normalise,
        )

    @classmethod
    def from_resources(cls, resources: Mapping[str, Any]) -> Self:
        """The encoder that `resources` describes, its weights to be loaded."""
        config = hub.config_from(json.loads(resources["config"]), where="the text encoder's config")
        subwords = Subwords(
            resources["tokenizer"],
            max_tokens=resources["max_tokens"],
            pad_id=resources["pad_id"],
            lower_case=resources["lower_case"],
        )
        return cls(
            _network(config),
            subwords,
            pooling=resources["pooling"],
            normalise=resources["normalise"],
        )

    def resources(self) -> dict[str, Any]:
        """What `from_resources` needs: configuration and tokenizer as JSON, and settings."""
        return {
            "config": hub.config_json(self.network.config),
            "tokenizer": self._subwords.document,
            "max_tokens": self.max_tokens,
            "pad_id": self._subwords.pad_id,
            "lower_case": self._subwords.lower_case,
            "pooling": self.pooling,
            "normalise": self.normalise,
        }

    def tokenise(self, texts: Sequence[str]) -> Tokens:
        """Texts → ids and mask `[texts, longest]`, cut at `max_tokens`."""
        return self._subwords(texts)

    def forward(self, ids: Tensor, mask: Tensor) -> TextEncoding:
        states: Tensor = self.network(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        pooled = self._pooled(states, mask)
        if self.normalise:
            pooled = F.normalize(pooled, dim=-1)
        return TextEncoding(sequence=states, mask=mask, pooled=pooled)

    def _pooled(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.pooling == "cls":
            return states[:, 0]
        if self.pooling == "max":
            return states.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(1)
        return masked_mean(states, mask)


def _read_recipe(model: str) -> tuple[_Recipe, str]:
    """What follows the transformer, and the folder or hub name that the transformer is in."""
    listed = hub.find(model, "modules.json")
    if listed is None:  # a plain transformers model: as Sentence-Transformers itself reads it
        return _Recipe(normalise=False), model
    modules = hub.read_json(listed)
    try:
        paths = {str(one["type"]).rpartition(".")[2]: str(one["path"]) for one in modules}
    except (TypeError, KeyError) as error:
        raise DataError(f"{listed} lists no modules", remedy="download it again") from error
    others = sorted(set(paths) - {"Transformer", "Pooling", "Normalize"})
    if others or "Transformer" not in paths or "Pooling" not in paths:
        raise DataError(
            f"{model} is made of {', '.join(paths)}; read are a Transformer, its Pooling, and "
            "Normalize",
            remedy="choose a model of these modules alone",
        )
    body = model
    if paths["Transformer"]:
        if not Path(model).expanduser().is_dir():
            raise DataError(
                f"{model} keeps its transformer in a folder below",
                remedy=f"fetch it (`hf download {model} --local-dir FOLDER`) and give FOLDER",
            )
        body = str(Path(model).expanduser() / paths["Transformer"])
    settings = hub.find(body, "sentence_bert_config.json")
    lower_case = settings is not None and bool(hub.read_json(settings).get("do_lower_case"))
    pooling = _read_pooling(hub.required(model, f"{paths['Pooling']}/config.json"))
    return _Recipe(pooling, "Normalize" in paths, lower_case), body


def _read_pooling(path: Path) -> str:
    settings = hub.read_json(path)
    modes = [name for name, on in settings.items() if name.startswith("pooling_mode_") and on]
    names = [settings["pooling_mode"]] if "pooling_mode" in settings else modes
    known = [_POOLING_NAMES.get(name, name) for name in names]
    if len(known) != 1 or known[0] not in _POOLINGS:
        raise DataError(
            f"{path} pools by {', '.join(map(str, names)) or 'nothing'}",
            remedy=f"set pooling to one of {', '.join(_POOLINGS)} in a copy of the folder",
        )
    return str(known[0])


def _positions(config: Any) -> int:
    # MPNet and RoBERTa count from behind the padding's id, which is 1 in both.
    first = config.pad_token_id + 1 if config.model_type in ("mpnet", "roberta") else 0
    return int(getattr(config, "max_position_embeddings", 512)) - first


def _kind(config: Any) -> Any:
    library = hub.transformers_library()
    if type(config) not in library.MODEL_MAPPING:
        raise DataError(f"transformers has no encoder for {config.model_type}")
    return library.MODEL_MAPPING[type(config)]


def _network(config: Any) -> nn.Module:
    with hub.quiet():
        network: nn.Module = _kind(config)(config)
    return network


def _pretrained(model: str, config: Any) -> nn.Module:
    network: nn.Module
    network, _ = hub.load_network(
        _kind(config),
        config,
        hub.read_tensors(model),
        where=model,
        may_be_new=lambda key: key.startswith("pooler."),
        may_be_unused=lambda key: (
            "pooler." in key
            or key.endswith("position_ids")
            or key.startswith(("cls.", "lm_head.", "vocab_"))
        ),
    )
    return network
