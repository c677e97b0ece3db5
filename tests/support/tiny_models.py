"""Hugging Face models as small as they can be, with random weights, saved as folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from soundseek.lab.text_encoders import hub

TEXTS = (
    "a dog barks far away",
    "rain falls on a roof while the wind blows",
    "birds sing",
    "an engine starts",
)
_WORDS = sorted({word for text in TEXTS for word in text.split()})
# Larger than usual, so that outputs depend on everything.
_SPREAD = {"initializer_range": 0.3}
SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
}
_BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ROBERTA_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
VOCABULARY = len(_WORDS) + 5


def tokenizer_json(family: str) -> str:
    """Whole words; start and end as `family` (bert, roberta) marks them."""
    special = _BERT_TOKENS if family == "bert" else _ROBERTA_TOKENS
    start, end = (special[2], special[3]) if family == "bert" else (special[0], special[2])
    unknown = special[1] if family == "bert" else special[3]
    vocabulary = {word: i for i, word in enumerate((*special, *_WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(list(special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, vocabulary[start]), (end, vocabulary[end])],
    )
    return str(tokenizer.to_str())


def saved(network: torch.nn.Module, folder: Path, family: str = "bert") -> Path:
    """A folder with the model's configuration, weights and tokenizer."""
    with hub.quiet():
        network.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tokenizer_json(family), encoding="utf-8")
    return folder


def scattered(network: torch.nn.Module) -> torch.nn.Module:
    """With noise on every parameter: none of them, biases and norms too, is without effect."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter += 0.1 * noise
    return network.eval()


def bert(kind: str = "BertForMaskedLM", **changes: Any) -> torch.nn.Module:
    """A tiny BERT of the class `kind`."""
    config = transformers.BertConfig(
        **{**SIZES, **_SPREAD, "vocab_size": VOCABULARY, "max_position_embeddings": 20, **changes}
    )
    torch.manual_seed(1)
    with hub.quiet():
        return scattered(getattr(transformers, kind)(config))


def roberta(kind: str = "RobertaForMaskedLM", **changes: Any) -> torch.nn.Module:
    """A tiny RoBERTa of the class `kind`."""
    config = transformers.RobertaConfig(
        **{**SIZES, **_SPREAD, "vocab_size": VOCABULARY, "max_position_embeddings": 22, **changes}
    )
    torch.manual_seed(1)
    with hub.quiet():
        return scattered(getattr(transformers, kind)(config))


def clap(**audio: Any) -> torch.nn.Module:
    """A tiny CLAP of both towers, its log-mel of the public size."""
    audio_config = {
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1, 1],
        "num_attention_heads": [1, 2, 2],
        "hidden_size": 32,
        "num_hidden_layers": 3,
        **audio,
    }
    text_config = {**SIZES, "vocab_size": VOCABULARY, "max_position_embeddings": 22}
    config = transformers.ClapConfig(
        text_config=text_config, audio_config=audio_config, projection_dim=12
    )
    torch.manual_seed(1)
    with hub.quiet():
        network = scattered(transformers.ClapModel(config))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as a trained one would see a log-mel
            module.running_mean.fill_(-30.0)
            module.running_var.fill_(400.0)
    return network


def edited(folder: Path, name: str, **changes: Any) -> None:
    """Change fields of a JSON file of a folder; None takes one out."""
    path = folder / name
    document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    document |= changes
    kept = {key: value for key, value in document.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")
