"""Recipes of captioning systems: what hears, what writes, and how a sentence is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from soundseek.lab.audio_encoders import AUDIO_ENCODERS
from soundseek.lab.recipe_files import WITHOUT_NULLS, RecipeBase, Section, name_in
from soundseek.lab.retrieval.recipe import Data
from soundseek.lab.training.settings import Optimiser, Run

CaptionFigure = Literal[
    "bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider", "spice", "spider"
]


class PublishedCaptions(Section):
    """What the report says that this system scored; `on` names the test set.

    `epochs`: after how many, where that is not the whole training. `spider` is the mean of `cider`
    and `spice`. A score of null is none: a row that extends another may have fewer columns.
    """

    source: str
    on: str = "clotho/evaluation"
    epochs: int | None = Field(default=None, ge=1)
    scores: Annotated[Mapping[CaptionFigure, float], WITHOUT_NULLS] = Field(default_factory=dict)


class CaptionEvents(Section):
    """What a frozen tagger hears at each step, as a further input (CMU 2022, section 7).

    `form`: the `probabilities` of all classes, or the likeliest of the `classes` as 1 among 0.
    """

    tagger: Annotated[str, name_in(AUDIO_ENCODERS, "audio encoder")]
    weights: Literal["pretrained", "random"] = "pretrained"
    checkpoint: str | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)
    form: Literal["probabilities", "classes"] = "probabilities"


class CaptionAudio(Section):
    """What hears the sound. `weights: pretrained` needs `checkpoint`, a path or a published file's
    name; random weights must be asked for.

    `frozen`: it does not learn; what it hears is computed once and kept. `max_s`, `window_s`: as in
    retrieval recipes. `noise`: in training, each step that a frozen encoder hears moves by a random
    vector of so many times its length, and gets its own length again.
    """

    encoder: Annotated[str, name_in(AUDIO_ENCODERS, "audio encoder")]
    weights: Literal["pretrained", "random"] = "pretrained"
    checkpoint: str | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)
    frozen: bool = True
    max_s: float = Field(default=30.0, gt=0)
    window_s: float | None = Field(default=None, gt=0)
    noise: float = Field(default=0.0, ge=0)
    events: CaptionEvents | None = None


class CaptionTexts(Section):
    """Captions without sounds, to learn to write from: in the place of a sound stands the vector
    that the text side of a bundle makes of the caption itself, moved by `noise` as for sounds. Text
    and sound meet in one space there, and noise covers the gap between them (CapDec: Nukrai, Mokady
    and Globerson 2022; for sounds Kouzelis and Katsouros 2023). For `audio.encoder: bundle` only.

    `files`: CSVs with columns caption or caption_1, caption_2 …, below `data.folder`; `joined`: so
    many pairs of them besides, as two steps; `most`: at most so many of the files' captions, drawn
    by the seed.
    """

    files: tuple[str, ...] = Field(min_length=1)
    joined: int = Field(default=0, ge=0)
    most: int | None = Field(default=None, ge=1)
    noise: float = Field(default=0.0, ge=0)


class Adapter(Section):
    """Linear layers with ReLU between, from what is heard to the network's width; `hidden`: width
    of those between (None: the network's). No layers: the sound goes in as it is."""

    layers: int = Field(default=1, ge=0)
    hidden: int | None = Field(default=None, ge=1)


class CaptionNetwork(Section):
    """BART (Lewis et al. 2020) from steps of sound to words; the sizes are those of its base model.

    `weights: pretrained` takes them from `model`, a folder or hub name, whose sizes these must be.
    `encoder: none`: the decoder attends to the adapted sound itself. `hidden`: which states of the
    encoder it attends to, the `last`, the `mean` of all (what enters the first layer is one of
    them, as in transformers' `hidden_states`), or the mean of the last two. `dropout`: of states,
    attention weights and feed-forward activations. `positions`: most steps and most tokens.
    """

    weights: Literal["random", "pretrained"] = "random"
    model: str | None = None
    encoder: Literal["bart", "none"] = "bart"
    encoder_layers: int = Field(default=6, ge=1)
    decoder_layers: int = Field(default=6, ge=1)
    width: int = Field(default=768, ge=2)
    heads: int = Field(default=12, ge=1)
    ffn: int = Field(default=3072, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    positions: int = Field(default=1024, ge=4)
    hidden: Literal["last", "mean", "mean_last_two"] = "last"


class CaptionText(Section):
    """How captions are written and cut into tokens.

    `tokenizer`: a folder or hub name; None: byte-level pairs learnt from the training captions, up
    to `vocabulary` of them. A longer caption is cut at `max_tokens`, start and end included.
    """

    tokenizer: str | None = "facebook/bart-base"
    vocabulary: int = Field(default=5000, ge=300)
    max_tokens: int = Field(default=64, ge=4)
    lowercase: bool = True
    strip_punctuation: bool = True


class CaptionObjective(Section):
    """Cross-entropy of the next token. `pads_in_loss`: what stands behind a caption up to
    `text.max_tokens` is learnt too, as the 2022 baseline does."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    pads_in_loss: bool = False


class Decoding(Section):
    """How a sentence is chosen: by `beam` search, word by word (`greedy`), or drawn from the
    likeliest words that make up `top_p` (`nucleus`), by `seed` and the sound's place alone.

    `min_tokens`, `max_tokens`: length as BART counts it, with the two tokens that begin a caption;
    the one that ends it is only part of the most. `no_repeat_ngram`: no such number of tokens comes
    twice, 0: they may. `length_penalty`: power of the length by which a beam's score is divided.
    `words`: a file of the only words to be used.

    `force_bos`: the first token is the start of a sentence, whatever is likelier. The greedy search
    of the 2022 baseline overwrites the token that it chose there, which comes to the same.

    `search`: as the 2022 `baseline` searches, or as the `runtime` does for captioners that were
    exported. There a caption always begins with the start of a sentence, which does not count for
    its length and is not written again; beams go on until none can come to a better caption,
    rather than until as many captions are complete; and what is cut at `max_tokens` has no end.
    (What is drawn from a nucleus differs all the same.)
    """

    method: Literal["beam", "greedy", "nucleus"] = "beam"
    beams: int = Field(default=4, ge=1)
    no_repeat_ngram: int = Field(default=3, ge=0)
    min_tokens: int = Field(default=5, ge=0)
    max_tokens: int = Field(default=100, ge=3)
    length_penalty: float = 1.0
    top_p: float = Field(default=0.9, gt=0, le=1)
    temperature: float = Field(default=1.0, gt=0)
    seed: int = Field(default=0, ge=0, lt=2**32)
    words: str | None = None
    force_bos: bool = False
    search: Literal["baseline", "runtime"] = "baseline"


class _Impossible(NamedTuple):
    """Where in the recipe, what is wrong there, and the value."""

    where: tuple[str, ...]
    message: str
    value: object


class CaptioningRecipe(RecipeBase):
    """A captioning system."""

    system: Literal["captioning"]
    published: PublishedCaptions | None = None
    data: Data
    texts: CaptionTexts | None = None
    audio: CaptionAudio
    adapter: Adapter = Adapter()
    network: CaptionNetwork = CaptionNetwork()
    text: CaptionText = CaptionText()
    objective: CaptionObjective = CaptionObjective()
    decoding: Decoding = Decoding()
    optimiser: Optimiser
    run: Run = Run()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        found = [
            *_network_problems(self.network),
            *_text_problems(self),
            *_decoding_problems(self.decoding, self.network.positions),
            *_hearing_problems(self),
        ]
        if self.adapter.hidden is not None and self.adapter.layers < 2:
            found.append(
                _Impossible(
                    ("adapter", "hidden"),
                    f"there is nothing between {self.adapter.layers} layers: set adapter.layers of "
                    "2 or more",
                    self.adapter.hidden,
                )
            )
        if found:
            raise ValidationError.from_exception_data("recipe", [_error(one) for one in found])
        return self


def _network_problems(network: CaptionNetwork) -> list[_Impossible]:
    found = []
    if network.width % network.heads:
        found.append(
            _Impossible(
                ("network", "heads"),
                f"a width of {network.width} cannot be shared evenly by so many heads",
                network.heads,
            )
        )
    if network.weights == "pretrained" and network.model is None:
        found.append(
            _Impossible(
                ("network", "model"),
                "pretrained weights are of a model: name a folder or hub name, facebook/bart-base "
                "for one",
                None,
            )
        )
    if network.weights == "random" and network.model is not None:
        found.append(
            _Impossible(
                ("network", "model"),
                "random weights are of no model: leave it out, or set network.weights: pretrained",
                network.model,
            )
        )
    if network.hidden == "mean_last_two" and network.encoder_layers < 2:
        found.append(
            _Impossible(
                ("network", "hidden"),
                "of one layer there is one state: set network.encoder_layers of 2 or more",
                network.hidden,
            )
        )
    if network.encoder == "none" and network.hidden != "last":
        found.append(
            _Impossible(
                ("network", "hidden"),
                "without an encoder there are no states to choose from: set it to last",
                network.hidden,
            )
        )
    return found


def _text_problems(recipe: CaptioningRecipe) -> list[_Impossible]:
    found = []
    if recipe.network.weights == "pretrained" and recipe.text.tokenizer is None:
        found.append(
            _Impossible(
                ("text", "tokenizer"),
                "pretrained weights know the tokens of their own tokenizer: name it, such as "
                f"{recipe.network.model}",
                None,
            )
        )
    if recipe.text.max_tokens > recipe.network.positions:
        found.append(
            _Impossible(
                ("text", "max_tokens"),
                f"the network has {recipe.network.positions} positions",
                recipe.text.max_tokens,
            )
        )
    return found


def _hearing_problems(recipe: CaptioningRecipe) -> list[_Impossible]:
    audio, found = recipe.audio, []
    if recipe.texts is not None and audio.encoder != "bundle":
        found.append(
            _Impossible(
                ("texts",),
                f"{audio.encoder} has no text side: leave it out, or set audio.encoder: bundle",
                recipe.texts,
            )
        )
    if audio.encoder == "bundle" and not audio.frozen:
        found.append(_Impossible(("audio", "frozen"), "a bundle does not learn: set it", False))
    if audio.encoder == "bundle" and audio.window_s is not None:
        found.append(
            _Impossible(
                ("audio", "window_s"),
                "a bundle has windows of its own: leave it out",
                audio.window_s,
            )
        )
    if not audio.frozen and audio.events is not None:
        found.append(
            _Impossible(
                ("audio", "events"), "they are heard once: set audio.frozen: true", audio.events
            )
        )
    if not audio.frozen and audio.noise:
        found.append(
            _Impossible(
                ("audio", "noise"),
                "it is for what was heard before: set audio.frozen: true",
                audio.noise,
            )
        )
    if recipe.optimiser.schedule.kind == "plateau" and recipe.optimiser.schedule.monitor != "loss":
        found.append(
            _Impossible(
                ("optimiser", "schedule", "monitor"),
                "a captioner is validated by its loss: set it to loss",
                recipe.optimiser.schedule.monitor,
            )
        )
    return found


def _decoding_problems(decoding: Decoding, positions: int) -> list[_Impossible]:
    found = []
    if decoding.min_tokens >= decoding.max_tokens:
        found.append(
            _Impossible(
                ("decoding", "min_tokens"),
                f"it must be below decoding.max_tokens, {decoding.max_tokens}",
                decoding.min_tokens,
            )
        )
    if decoding.max_tokens > positions:
        found.append(
            _Impossible(
                ("decoding", "max_tokens"),
                f"the network has {positions} positions",
                decoding.max_tokens,
            )
        )
    return found


def _error(one: _Impossible) -> InitErrorDetails:
    # Braces of a message would be places for values.
    kind = PydanticCustomError("impossible", "{message}", {"message": one.message})
    return InitErrorDetails(type=kind, loc=one.where, input=one.value)
