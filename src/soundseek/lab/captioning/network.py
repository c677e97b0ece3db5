"""BART (Lewis et al. 2020) as transformers has it, of a recipe's sizes or from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import nn

from soundseek.errors import DataError, RecipeError
from soundseek.lab.captioning.recipe import CaptionNetwork
from soundseek.lab.captioning.tokens import CaptionTokens
from soundseek.lab.text_encoders import hub

_KIND: Final = "BartForConditionalGeneration"
# The network's sizes in a recipe, and how a configuration calls them.
_SIZES: Final[Mapping[str, tuple[str, ...]]] = {
    "encoder_layers": ("encoder_layers",),
    "decoder_layers": ("decoder_layers",),
    "width": ("d_model",),
    "heads": ("encoder_attention_heads", "decoder_attention_heads"),
    "ffn": ("encoder_ffn_dim", "decoder_ffn_dim"),
    "positions": ("max_position_embeddings",),
}
# Of a checkpoint's configuration everything else is left behind: how its authors generated, say.
_OF_A_MODEL: Final = ("vocab_size", "activation_function", "init_std", "scale_embedding")
_DROPOUTS: Final = ("dropout", "attention_dropout", "activation_dropout")


def build_network(settings: CaptionNetwork, tokens: CaptionTokens) -> nn.Module:
    """The network of a recipe, from torch's generator or the checkpoint of `settings.model`.

    Raises `RecipeError` for sizes or tokens that are not the checkpoint's, `DataError` for a
    checkpoint that is missing or of another architecture.
    """
    sizes = {
        name: getattr(settings, ours) for ours, names in _SIZES.items() for name in names
    } | dict.fromkeys(_DROPOUTS, settings.dropout)
    if settings.weights == "random":
        config = _config({**sizes, "vocab_size": tokens.vocabulary}, tokens)
        if settings.encoder == "none":
            config.encoder_layers = 0
        return _trimmed(_new(config), settings.encoder)
    return _trimmed(_pretrained(settings, sizes, tokens), settings.encoder)


def network_from(config_json: Mapping[str, Any], encoder: str) -> nn.Module:
    """The network of a configuration as `configuration_of` gives it, its weights to be loaded."""
    config = hub.config_from(dict(config_json), where="the captioner's configuration")
    return _trimmed(_new(config), encoder)


def _config(fields: Mapping[str, Any], tokens: CaptionTokens) -> Any:
    document = {
        "model_type": "bart",
        **fields,
        "bos_token_id": tokens.bos,
        "pad_token_id": tokens.pad,
        "eos_token_id": tokens.eos,
        # BART's decoder begins with the token that ends a sentence.
        "decoder_start_token_id": tokens.eos,
        "forced_eos_token_id": None,
        "tie_word_embeddings": True,
    }
    return hub.config_from(document, where="the captioner's configuration")


def _new(config: Any) -> nn.Module:
    library = hub.transformers_library()
    with hub.quiet():
        network: nn.Module = getattr(library, _KIND)(config)
    return network


def _pretrained(
    settings: CaptionNetwork, sizes: Mapping[str, Any], tokens: CaptionTokens
) -> nn.Module:
    model = str(settings.model)
    given = hub.read_config(model)
    if given.model_type != "bart":
        raise DataError(
            f"{model} is a {given.model_type}, not a bart",
            remedy="name a BART, such as facebook/bart-base",
        )
    _refuse_other_sizes(settings, given, model)
    if tokens.vocabulary > given.vocab_size or tokens.pad != given.pad_token_id:
        raise RecipeError(
            f"the tokenizer has {tokens.vocabulary} tokens and pads with {tokens.pad}, {model} has "
            f"{given.vocab_size} and pads with {given.pad_token_id}",
            remedy=f"set text.tokenizer={model}",
        )
    config = _config({**sizes, **{name: getattr(given, name) for name in _OF_A_MODEL}}, tokens)
    network: nn.Module
    network, _ = hub.load_network(
        getattr(hub.transformers_library(), _KIND),
        config,
        hub.read_tensors(model),
        where=model,
        # Zeros, where a checkpoint is of the network without its head.
        may_be_new=lambda key: key == "final_logits_bias",
        may_be_unused=lambda key: key.endswith((".version", "position_ids")),
    )
    return network


def _refuse_other_sizes(settings: CaptionNetwork, given: Any, model: str) -> None:
    unlike = [
        f"{ours} {getattr(settings, ours)}, not {getattr(given, name)}"
        for ours, names in _SIZES.items()
        for name in names[:1]
        if getattr(settings, ours) != getattr(given, name)
    ]
    if unlike:
        raise RecipeError(
            f"pretrained weights of {model} are of other sizes than network has: "
            + "; ".join(unlike),
            remedy="set these to the sizes of the model, or set network.weights=random",
        )


def _trimmed(network: Any, encoder: str) -> nn.Module:
    # What is generated is settled by `decoding` alone; transformers would fill gaps from here.
    network.generation_config = hub.transformers_library().GenerationConfig()
    if encoder == "none":
        # Parameters that nothing uses would be saved, averaged and waited for.
        network.model.encoder = nn.Identity()
    return network  # type: ignore[no-any-return]
