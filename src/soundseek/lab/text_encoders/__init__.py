"""Text encoders: the table of all of them. A row names its module, imported when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol, Self

from torch import Tensor

from soundseek.lab.choices import chosen, placed
from soundseek.lab.encodings import TextEncoding, Tokens

_HERE = "soundseek.lab.text_encoders"

Weights = Literal["pretrained", "random"]


class TextEncoderModule(Protocol):
    """A text encoder as the table promises it: a `torch.nn.Module` besides.

    `create` makes one for training; `resources` are what it takes, besides its state dict, to make
    it again with `from_resources`, without hub, folder or corpus (tokenizer, sizes, word list).
    """

    TINY: ClassVar[Mapping[str, Any]]
    width: int
    max_tokens: int

    @classmethod
    def create(
        cls,
        *,
        model: str | None,
        weights: Weights,
        texts: Sequence[str],
        max_tokens: int,
        **options: Any,
    ) -> Self: ...

    @classmethod
    def from_resources(cls, resources: Mapping[str, Any]) -> Self: ...

    def resources(self) -> dict[str, Any]: ...

    def tokenise(self, texts: Sequence[str]) -> Tokens: ...

    def __call__(self, ids: Tensor, mask: Tensor) -> TextEncoding: ...


class FusingTextEncoder(TextEncoderModule, Protocol):
    """A text encoder that can attend to sound (cross-attention) and predict words."""

    mask_id: int
    special_ids: frozenset[int]
    vocabulary_size: int

    def embed(self, ids: Tensor) -> Tensor: ...

    def forward_embedded(self, embedded: Tensor, mask: Tensor) -> TextEncoding: ...

    def fuse(
        self, ids: Tensor, mask: Tensor, audio: Tensor, audio_mask: Tensor, *, causal: bool = False
    ) -> Tensor: ...

    def vocabulary_logits(self, sequence: Tensor) -> Tensor: ...


class Row(NamedTuple):
    """Where the class is, and the options that this name stands for."""

    place: str
    options: Mapping[str, Any] = MappingProxyType({})


TEXT_ENCODERS: Final[Mapping[str, Row]] = MappingProxyType(
    {
        "word_vectors": Row(f"{_HERE}.word_vectors:WordVectors"),
        "bert": Row(f"{_HERE}.hugging_face:HuggingFaceText", {"architecture": "bert"}),
        "roberta": Row(f"{_HERE}.hugging_face:HuggingFaceText", {"architecture": "roberta"}),
        "sentence_transformer": Row(f"{_HERE}.sentence_transformer:SentenceTransformerText"),
        "clap": Row(f"{_HERE}.clap:ClapText"),
        "small_transformer": Row(f"{_HERE}.small_transformer:SmallTransformer"),
    }
)


def text_encoder_class(name: str) -> type[TextEncoderModule]:
    """The class behind a name. Raises `RecipeError` with the choices for an unknown one."""
    kind: type[TextEncoderModule] = placed(chosen(TEXT_ENCODERS, name, "text encoder").place)
    return kind


def create_text_encoder(
    name: str,
    *,
    model: str | None,
    weights: Weights,
    texts: Sequence[str],
    max_tokens: int,
    options: Mapping[str, Any] | None = None,
) -> TextEncoderModule:
    """The encoder called `name`.

    `model`: a hub name, a folder or a file; `weights`: `pretrained` are read from there, `random`
    are drawn from torch's generator. `texts`: the training captions, from which a tokenizer is
    learnt where `model` brings none, or the words are taken that are worth keeping.

    Raises `RecipeError` for an unknown name or option, `DataError` for what cannot be read.
    """
    kind = text_encoder_class(name)
    return kind.create(
        model=model,
        weights=weights,
        texts=texts,
        max_tokens=max_tokens,
        **{**TEXT_ENCODERS[name].options, **(options or {})},
    )


__all__ = [
    "TEXT_ENCODERS",
    "FusingTextEncoder",
    "TextEncoderModule",
    "Weights",
    "create_text_encoder",
    "text_encoder_class",
]
