"""What FENSE is made of: how alike sentences are, and whether a caption is faulty English.

FENSE (Zhou et al. 2022, "Can audio captions be evaluated with image caption metrics?") is the mean
cosine of a caption's sentence vector and those of its references, a tenth of it where a detector
finds an error with a probability over 0.9; `soundseek.metrics.captions` puts the two together.

The models are in a folder of the user's:

- a folder with `modules.json`: the sentence encoder, paraphrase-TinyBERT-L6-v2;
- a folder with `config.json` and a tokenizer alone: the network below the detector,
  bert-base-uncased, whose weights the detector brings itself;
- one `.ckpt` file: the detector, echecker_clotho_audiocaps_base.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.errors import DataError
from soundseek.lab.checkpoints import load_strict, read_checkpoint
from soundseek.lab.text_encoders import hub
from soundseek.lab.text_encoders.sentence_transformer import SentenceTransformerText
from soundseek.lab.text_encoders.subwords import Subwords

DETECTOR_URL = (
    "https://github.com/blmoistawinde/fense/releases/download/V0.1/"
    "echecker_clotho_audiocaps_base.ckpt"
)
_SENTENCE_TOKENS, _DETECTOR_TOKENS = 128, 64
_AT_ONCE = 64
# Older versions of transformers kept this table among the weights.
_TABLE = "encoder.embeddings.position_ids"


@dataclass(frozen=True)
class Judgement:
    """By clip: the mean cosine with the references, and the probability of an error, 0 … 1."""

    similarities: dict[str, float]
    errors: dict[str, float]


def judge(
    predictions: Mapping[str, str], references: Mapping[str, Sequence[str]], folder: str | Path
) -> Judgement:
    """Judge one caption a clip with the models in `folder`, on the CPU.

    Raises `DataError` for a folder that lacks a model, and for models that do not fit.
    """
    folder = Path(folder)
    encoder, detector = _sentence_encoder(folder), _detector(folder)
    said = {clip: [text for text in references[clip] if text.strip()] for clip in predictions}
    texts = dict.fromkeys([*predictions.values(), *(t for texts in said.values() for t in texts)])
    vectors = dict(zip(texts, encoder(list(texts)), strict=True))
    similarities = {}
    for clip, caption in predictions.items():
        others = torch.stack([vectors[text] for text in said[clip]])
        similarities[clip] = float((others @ vectors[caption]).mean())
    captions = list(dict.fromkeys(predictions.values()))
    errors = dict(zip(captions, detector(captions).tolist(), strict=True))
    return Judgement(similarities, {clip: errors[text] for clip, text in predictions.items()})


class _SentenceEncoder:
    def __init__(self, folder: Path) -> None:
        self._network = SentenceTransformerText.create(
            model=str(folder), weights="pretrained", texts=(), max_tokens=_SENTENCE_TOKENS
        ).eval()

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Texts → vectors of length 1 `[texts, width]`."""
        vectors = [self._network(*self._network.tokenise(part)).pooled for part in _parts(texts)]
        return F.normalize(torch.cat(vectors), dim=-1)


class ErrorDetector(nn.Module):
    """Token ids and mask `[texts, tokens]` → logits of the kinds of error `[texts, kinds]`.

    A transformer and a linear layer over its first token; the last kind is that of any error.
    """

    def __init__(self, encoder: nn.Module, width: int, kinds: int) -> None:
        """From the transformer, of `width` values a token."""
        super().__init__()
        self.encoder = encoder
        self.clf = nn.Linear(width, kinds)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        states = self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        logits: Tensor = self.clf(states[:, 0])
        return logits


class _Detector:
    def __init__(self, network: ErrorDetector, subwords: Subwords) -> None:
        self._network = network.eval()
        self._subwords = subwords

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Texts → probability that each holds an error `[texts]`."""
        logits = [self._network(*self._subwords(part))[:, -1] for part in _parts(texts)]
        return torch.sigmoid(torch.cat(logits))


def _sentence_encoder(folder: Path) -> _SentenceEncoder:
    found = [place for place in _folders(folder) if (place / "modules.json").is_file()]
    return _SentenceEncoder(
        _only(found, folder, "sentence encoder, a folder with modules.json",
              "put the folder of sentence-transformers/paraphrase-TinyBERT-L6-v2 in it")
    )  # fmt: skip


def _detector(folder: Path) -> _Detector:
    file = _only(
        sorted(folder.glob("*.ckpt")),
        folder,
        "detector of errors, a .ckpt file",
        f"put {DETECTOR_URL} in it",
    )
    base = _only(
        [
            place
            for place in _folders(folder)
            if (place / "config.json").is_file() and not (place / "modules.json").is_file()
        ],
        folder,
        "network of the detector, a folder with config.json and a tokenizer",
        "put config.json and vocab.txt of bert-base-uncased in a folder of it",
    )
    config = hub.read_config(str(base))
    checkpoint = read_checkpoint(file)
    bias = checkpoint.tensors.get("clf.bias")
    if bias is None or bias.dim() != 1:
        raise DataError(f"{file} has no clf.bias: it is no detector of FENSE")
    transformers: Any = hub.transformers_library()
    with hub.quiet():
        encoder = transformers.AutoModel.from_config(config)
    network = ErrorDetector(encoder, config.hidden_size, bias.numel())
    load_strict(network, checkpoint.tensors, where=file, ignored=lambda key: key == _TABLE)
    subwords = Subwords(
        hub.read_tokenizer(str(base)),
        max_tokens=_DETECTOR_TOKENS,
        pad_id=getattr(config, "pad_token_id", None) or 0,
    )
    if subwords.size > config.vocab_size:
        raise DataError(
            f"the tokenizer in {base} has {subwords.size} tokens, the detector {config.vocab_size}",
            remedy="give the tokenizer that belongs to the detector",
        )
    return _Detector(network, subwords)


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", remedy="give the folder of FENSE's models")
    return sorted(place for place in folder.iterdir() if place.is_dir())


def _only(found: Sequence[Path], folder: Path, what: str, remedy: str) -> Path:
    if len(found) != 1:
        names = ", ".join(place.name for place in found)
        raise DataError(
            f"{folder} has " + (f"several ({names}) for the {what}" if found else f"no {what}"),
            remedy="leave one of them there" if found else remedy,
        )
    return found[0]


def _parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), _AT_ONCE):
        yield texts[start : start + _AT_ONCE]
