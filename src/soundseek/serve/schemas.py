"""What the API answers with and takes, as models: the OpenAPI description is made of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float | None, Field(ge=0, le=1)]
Percentile = Annotated[float | None, Field(ge=0, le=100)]
ClipId = Annotated[str, Field(pattern="^[0-9]+$", description="The id of a clip.")]


class Sound(BaseModel):
    """What is known of a sound file from its header and its place."""

    id: ClipId
    name: str = Field(description="The file's name.")
    path: str = Field(description="The absolute path; bytes that are no text are escaped.")
    folder: str = Field(description="The absolute path of the file's folder.")
    duration_s: float = Field(ge=0)
    sample_rate: int = Field(description="In Hz.")
    channels: int
    format: str = Field(description='Such as "wav".')
    tags: list[str]


class Hit(Sound):
    """A sound that answers a query."""

    rank: int = Field(ge=1, description="1 is the best of the whole ranking.")
    score: float = Field(description="What sounds are ranked by; of use within one ranking only.")
    similarity: float = Field(description="How much the sound fits, -1 to 1.")
    probability: Probability = Field(
        description="How often a hit with this similarity was right when the model was calibrated; "
        "rather too low than too high. Null for a query that is not text alone, and for a model "
        "that was not calibrated on hits."
    )
    percentile: Percentile = Field(
        description="Of how many of the ranked sounds this one fits at least as well; null where "
        "there is a probability."
    )
    name_rank: int | None = Field(description="Place among the names and captions that match.")
    start_s: float = Field(description="Where the window that fits best starts, in seconds.")
    end_s: float = Field(description="Where it ends.")
    caption: str | None = Field(description="What is said of the sound.")


class SearchOptions(BaseModel):
    """What a search went by."""

    q: str | None
    like: str | None
    upload: str | None
    without: str | None
    like_weight: float
    names: bool
    captions: float
    min_duration: float | None
    max_duration: float | None
    folder: list[str]
    format: list[str]


class SearchAnswer(BaseModel):
    """A page of a ranking."""

    query: SearchOptions
    offset: int
    limit: int
    total: int = Field(description="How many sounds of the ranking can be reached.")
    unknown_words: list[str] = Field(description="Words that the model cannot read.")
    took_ms: float
    hits: list[Hit]


class BatchRequest(BaseModel):
    """Many texts under the same conditions."""

    model_config = ConfigDict(extra="forbid")

    queries: list[str] = Field(min_length=1)
    like: ClipId | None = None
    upload: str | None = None
    without: str | None = None
    like_weight: float = Field(default=0.5, ge=0, le=1)
    names: bool = True
    captions: float = Field(default=0.2, ge=0, le=1)
    min_duration: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    max_duration: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    folder: list[str] = []
    format: list[str] = []
    limit: int = Field(default=50, ge=1, le=200)


class BatchPart(BaseModel):
    """One text of a batch and what it found."""

    query: str
    hits: list[Hit]


class BatchAnswer(BaseModel):
    """The answers, in the order of the texts."""

    answers: list[BatchPart]


class ClipSummary(Sound):
    """A clip in a list."""

    size_bytes: int
    caption: str | None


class ClipList(BaseModel):
    """A page of the library's files."""

    total: int = Field(description="How many files pass the filters.")
    clips: list[ClipSummary]


class CaptionOf(BaseModel):
    """Something that is said of a clip."""

    text: str
    source: Literal["user", "captioner"]
    score: float | None = Field(description="The captioner's, mean log-probability of a token.")


class Attribution(BaseModel):
    """Whom to name, as far as the file says; null where it does not."""

    text: str | None
    licence: str | None


class Clip(Sound):
    """All that is known of one clip."""

    size_bytes: int
    content_hash: str = Field(description="SHA-256 of the file's bytes.")
    captions: list[CaptionOf]
    attribution: Attribution


class MomentOf(BaseModel):
    """A part of a clip."""

    start_s: float
    end_s: float
    score: float = Field(description="The cosine of its best window, -1 to 1.")
    probability: Probability = Field(
        description="As of a hit that is this window alone; null as that of a hit."
    )


class CurvePoint(BaseModel):
    """How well a window fits."""

    start_s: float
    score: float


class Moments(BaseModel):
    """Where in a clip a text fits."""

    moments: list[MomentOf] = Field(description="Best first.")
    curve: list[CurvePoint] = Field(description="All windows, in order of time.")


class LibraryStatus(BaseModel):
    """What the library holds."""

    path: str
    clips: int = Field(description="Distinct contents.")
    files: int = Field(description="Paths that are present.")
    windows: int
    hours: float = Field(description="Of sound, copies counted once.")
    failed: int = Field(description="Files that could not be read.")
    captioned: int = Field(description="Clips with a caption.")
    missing: int = Field(description="Paths that were gone at the last indexing.")


class ModelStatus(BaseModel):
    """The model that answers."""

    name: str
    fingerprint: str
    calibrated: bool = Field(description="Whether hits have a probability.")


class Root(BaseModel):
    """A folder that can be indexed."""

    index: int
    path: str
    available: bool = Field(description="Whether it is there now.")


class Limits(BaseModel):
    """How much the server does for a client."""

    max_upload_bytes: int
    max_query_chars: int
    max_k: int
    max_batch: int
    max_export_sounds: int
    max_export_bytes: int
    requests_per_minute: int = Field(description="0 is any number.")
    upload_ttl_s: float


class Status(BaseModel):
    """The state of the server."""

    version: str
    library: LibraryStatus
    model: ModelStatus
    captioner: str | None = Field(description="What writes captions, if it is installed.")
    roots: list[Root]
    limits: Limits
    jobs_running: int


class FormatCount(BaseModel):
    """A format and how many files have it."""

    value: str
    count: int


class FolderCount(BaseModel):
    """A folder and how many files are below it."""

    path: str
    count: int


class DurationRange(BaseModel):
    """The shortest and the longest file, in seconds; null in an empty library."""

    min: float | None
    max: float | None


class Facets(BaseModel):
    """What the library can be filtered by."""

    formats: list[FormatCount]
    folders: list[FolderCount]
    duration_s: DurationRange


class ExportRequest(BaseModel):
    """Which clips to hand out, and how."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["csv", "m3u", "zip"]
    ids: list[ClipId] = Field(min_length=1)
