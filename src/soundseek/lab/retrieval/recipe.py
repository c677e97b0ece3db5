"""Recipes of retrieval systems: two encoders that meet in one space, and how they are trained."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from soundseek.lab.audio_encoders import AUDIO_ENCODERS
from soundseek.lab.augment.settings import AudioAugment, TextAugment
from soundseek.lab.objectives.table import OBJECTIVES
from soundseek.lab.recipe_files import SETTINGS, WITHOUT_NULLS, RecipeBase, Section, merged, name_in
from soundseek.lab.text_encoders import TEXT_ENCODERS
from soundseek.lab.training.settings import Optimiser, Run

Figure = Literal["R@1", "R@5", "R@10", "mAP@10", "mAP@16", "medR"]
OF_STAGE = "stage:"
"""What begins the name of a teacher that an earlier stage kept."""
_FILE_NAME = re.compile(r"[\w.-]+")


class Published(Section):
    """What the report says that this system scored, as fractions; `on` names the test set.

    A score of null is none: a row that extends another may have fewer columns.
    """

    source: str
    on: str = "clotho/evaluation"
    scores: Annotated[Mapping[Figure, float], WITHOUT_NULLS] = Field(default_factory=dict)


class Source(Section):
    """Clips of a corpus under `root` (read by its adapter), or of a Parquet manifest.

    The next keys choose among them; `exclude` names exclusion lists (standard sets, or files) whose
    clips are left out; `only_new` leaves out clips whose Freesound or YouTube id an earlier source
    of the same part has; `options` go to the adapter. `audio`: clips without a readable sound are
    an error (`required`), are left out (`present`), or stay, for work on text alone (`optional`).
    """

    corpus: str | None = None
    root: str | None = None
    manifest: str | None = None
    split: Literal["train", "validation", "test"] | None = None
    tiers: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    min_caption_quality: int = Field(default=0, ge=0, le=2)
    exclude: tuple[str, ...] = ()
    only_new: bool = False
    audio: Literal["required", "present", "optional"] = "required"
    options: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.corpus is None) == (self.manifest is None):
            raise ValueError("name a corpus (with root) or a manifest, one of them")
        return self


class Data(Section):
    """`folder` holds the corpora whose sources name no root, each in a folder of its name, and the
    published exclusion lists in `exclusion/`.

    `captions`: `each` caption is an item of every epoch, or `one` drawn anew a clip. `most_clips`:
    at most so many of each part, those of training drawn by the seed. `extra_captions`: files of
    captions that others wrote for the training clips, items of their own unless
    `augment.text.p_extra` exchanges them.
    `folds` and `fold`: training and validation clips are put together and split anew, by group and
    by recording.
    `bucket`: of so many batches in a row, those clips go together that are of about one length, so
    that less of a batch is padding; None: as they come.
    """

    folder: str = "data"
    train: tuple[Source, ...] = ()
    validation: tuple[Source, ...] = ()
    test: tuple[Source, ...] = ()
    captions: Literal["each", "one"] = "each"
    extra_captions: tuple[str, ...] = ()
    most_clips: int | None = Field(default=None, ge=2)
    folds: int | None = Field(default=None, ge=2)
    fold: int = Field(default=0, ge=0)
    bucket: int | None = Field(default=None, ge=2)


class Events(Section):
    """Sound-event vector: which classes a frozen tagger hears above `threshold`, as 0 and 1."""

    tagger: Annotated[str, name_in(AUDIO_ENCODERS, "audio encoder")]
    weights: Literal["pretrained", "random"] = "pretrained"
    checkpoint: str | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)
    threshold: float = Field(default=0.5, gt=0, lt=1)


class Audio(Section):
    """The sound side. `weights: pretrained` needs `checkpoint`, a path or a published file's name;
    random weights must be asked for.

    `max_s`: longer clips are cut (at random in training, at the start in evaluation). `window_s`:
    the encoder hears windows of that length, one by one; None: the whole clip. `projection`:
    widths of the hidden layers on the way to the shared space, None: the encoder's own output is
    compared. `events`: a tagger's classes as a further input.
    """

    encoder: Annotated[str, name_in(AUDIO_ENCODERS, "audio encoder")]
    weights: Literal["pretrained", "random"] = "pretrained"
    checkpoint: str | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)
    frozen: bool = False
    max_s: float = Field(default=30.0, gt=0)
    window_s: float | None = Field(default=None, gt=0)
    projection: tuple[int, ...] | None = ()
    dropout: float = Field(default=0.0, ge=0, lt=1)
    pooled: Literal["pooled", "embedding"] = "pooled"
    events: Events | None = None


class Text(Section):
    """The text side. `model`: a hub name, a folder or a file of word vectors.

    `lowercase`, `strip_punctuation`: how captions and queries are written before they are read
    (`soundseek.text.normalise_caption`).
    """

    encoder: Annotated[str, name_in(TEXT_ENCODERS, "text encoder")]
    weights: Literal["pretrained", "random"] = "pretrained"
    model: str | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)
    frozen: bool = False
    max_tokens: int = Field(default=32, ge=2)
    lowercase: bool = False
    strip_punctuation: bool = False
    projection: tuple[int, ...] | None = ()
    dropout: float = Field(default=0.0, ge=0, lt=1)


class Augment(Section):
    """What happens to sounds and captions in training only; everything is off by default.

    `wordnet`: the folder of its database files, None: where they usually lie. `translator`: what
    makes the back translations, kept in `translations`.
    """

    audio: Annotated[AudioAugment, SETTINGS] = AudioAugment()
    text: Annotated[TextAugment, SETTINGS] = TextAugment()
    wordnet: str | None = None
    translator: Literal["marian", "argos"] = "marian"
    translations: str | None = None


class Space(Section):
    """The shared space; `normalise`: embeddings have length 1."""

    dimension: int | None = Field(default=1024, ge=2)
    normalise: bool = True


class Term(Section):
    """A term of the objective, its weight, and its options."""

    term: Annotated[str, name_in(OBJECTIVES, "objective")]
    weight: float = Field(default=1.0, gt=0)
    options: Mapping[str, Any] = Field(default_factory=dict)


class RetrievalRecipe(RecipeBase):
    """A retrieval system.

    `stages` are differences, one after the other: each is merged over the recipe and starts from
    what the stage before it kept.
    """

    system: Literal["retrieval"]
    published: Published | None = None
    data: Data
    audio: Audio
    text: Text
    space: Space = Space()
    objective: tuple[Term, ...]
    augment: Augment = Augment()
    optimiser: Optimiser
    stages: tuple[Mapping[str, Any], ...] = ()
    teachers: tuple[str, ...] = ()
    run: Run = Run()

    def plain_stages(self) -> Iterator[tuple[str, RetrievalRecipe]]:
        """(name, recipe of that stage alone) in order; a recipe without stages is one."""
        if not self.stages:
            yield "train", self
            return
        for number in range(len(self.stages)):
            yield self._stage_name(number), self._stage(number)

    def _stage_name(self, number: int) -> str:
        return str(self.stages[number].get("stage", f"stage-{number + 1}"))

    def _stage(self, number: int) -> RetrievalRecipe:
        changes = {key: value for key, value in self.stages[number].items() if key != "stage"}
        document = merged(self.model_dump(exclude={"stages"}), changes)
        return RetrievalRecipe.model_validate(document)

    @field_validator("objective")
    @classmethod
    def _has_terms(cls, objective: tuple[Term, ...]) -> tuple[Term, ...]:
        # `min_length` would take terms that have problems for none.
        if not objective:
            raise ValueError("name at least one term")
        return objective

    @model_validator(mode="after")
    def _loss_can_be_watched(self) -> Self:
        schedule = self.optimiser.schedule
        watched = schedule.kind == "plateau" and schedule.monitor == "loss"
        taught = any(one.term == "estimated_correspondences" for one in self.objective)
        if watched and taught and not self.stages:
            raise ValueError(
                "estimated_correspondences has no loss on the validation set, which its teachers "
                "do not hear: set optimiser.schedule.monitor: mAP@10"
            )
        return self

    @model_validator(mode="after")
    def _stages_hold(self) -> Self:
        names = [self._stage_name(number) for number in range(len(self.stages))]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two stages are called {name!r}")
            if not _FILE_NAME.fullmatch(name):
                raise ValueError(f"a stage's name is part of a file's: {name!r} cannot be")
        for stage in self.stages:
            if "stages" in stage:
                raise ValueError("a stage cannot have stages")
            # The networks are built once; a stage may only freeze or free them.
            for key in ("audio", "text", "space"):
                if set(stage.get(key) or {}) - {"frozen", "max_s", "window_s"}:
                    raise ValueError(f"a stage cannot change {key} but for frozen, max_s, window_s")
        problems: list[Any] = []
        for number, name in enumerate(names):
            try:
                teachers = self._stage(number).teachers
            except ValidationError as error:
                problems += [
                    {**problem, "loc": ("stages", number, *problem["loc"])}
                    for problem in error.errors(include_url=False)
                ]
                continue
            for teacher in {one for one in teachers if one.startswith(OF_STAGE)}:
                if teacher.removeprefix(OF_STAGE) not in names[:number]:
                    raise ValueError(f"{teacher} is no stage before {name}")
        if problems:
            raise ValidationError.from_exception_data("stages", problems)
        return self
