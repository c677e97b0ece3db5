"""Recipes of a text tower that learns from a sentence encoder alone."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from soundseek.lab.recipe_files import RecipeBase, Section


class DataSection(Section):
    """Files are below `folder`. `captions`: CSVs with a column caption or columns caption_1 …;
    clips.jsonl adds the captions of its training clips in `tiers`, null leaves them out.

    `held_out`: name → CSV of captions that the figures are computed on; no text of theirs, and no
    caption of a validation or test clip, is learnt from. `class_names`: a CSV with the column
    display_name. `wordnet`: the folder of WordNet, null looks in the usual places.
    """

    folder: str
    clips: str | None = "clips.jsonl"
    tiers: tuple[str, ...] = ("free",)
    min_caption_quality: int = Field(default=1, ge=0, le=2)
    captions: tuple[str, ...] = ()
    class_names: str | None = None
    wordnet: str | None = None
    held_out: dict[str, str] = Field(min_length=1)


class TextsSection(Section):
    """How many texts of each sort are drawn, besides all captions and class names.

    `joined`: pairs of captions; `spans`: one to four words of a caption; `framed`: short texts in
    frames such as "the sound of"; `ordered`: phrases about order and absence; `swapped`: captions
    with other words of WordNet in them; `words`, `definitions`, `examples`: WordNet's own.
    """

    joined: int = Field(default=0, ge=0)
    spans: int = Field(default=0, ge=0)
    framed: int = Field(default=0, ge=0)
    ordered: int = Field(default=0, ge=0)
    swapped: int = Field(default=0, ge=0)
    words: int = Field(default=0, ge=0)
    definitions: int = Field(default=0, ge=0)
    examples: int = Field(default=0, ge=0)

    @property
    def needs_wordnet(self) -> bool:
        return bool(self.swapped or self.words or self.definitions or self.examples)


class NetworkSection(Section):
    """`layers: 0` leaves the mean of the tokens' vectors. `start`: the tokens' vectors begin
    `random`, or as principal components of what the `teacher` says of each token as a text."""

    vocabulary: int = Field(default=8192, ge=64)
    width: int = Field(default=256, ge=8)
    layers: int = Field(default=3, ge=0)
    heads: int = Field(default=4, ge=1)
    max_tokens: int = Field(default=48, ge=4)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    start: Literal["random", "teacher"] = "random"

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of {self.heads} heads")
        return self


class ObjectiveSection(Section):
    """Weights of the terms, see `soundseek.lab.words.terms`; 0 leaves one out."""

    cosine: float = Field(default=1.0, ge=0)
    similarity: float = Field(default=0.0, ge=0)
    ranking: float = Field(default=0.0, ge=0)


class OptimiserSection(Section):
    """`steps`: of the whole network, after those of the table."""

    steps: int = Field(ge=1)
    warmup_steps: int = Field(default=200, ge=0)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    batch: int = Field(default=256, ge=2)
    ema: float = Field(default=0.999, ge=0, lt=1)
    clip_norm: float = Field(default=1.0, gt=0)


class TableSection(Section):
    """The first `steps` of a training, in which the blocks are left out: the tokens' vectors learn
    by their mean alone, some fifteen times as fast. Warm-up and cosine are its own."""

    steps: int = Field(default=0, ge=0)
    learning_rate: float = Field(default=0.003, gt=0)
    warmup_steps: int = Field(default=100, ge=0)


class RunSection(Section):
    checkpoint_steps: int = Field(default=500, ge=1)
    evaluate_steps: int = Field(default=1000, ge=1)
    log_steps: int = Field(default=50, ge=1)
    threads: int | None = Field(default=None, ge=1)
    device: str = "auto"
    cache: str | None = None


class WordsRecipe(RecipeBase):
    """Everything that decides a run, but for where its files go.

    `run.cache`: a folder for the teacher's vectors that several runs share; null: in the run's.
    """

    system: Literal["words"] = "words"
    data: DataSection
    texts: TextsSection = TextsSection()
    network: NetworkSection = NetworkSection()
    objective: ObjectiveSection = ObjectiveSection()
    table: TableSection = TableSection()
    optimiser: OptimiserSection
    run: RunSection = RunSection()
