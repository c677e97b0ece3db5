"""bundle.json, version 1: what a bundle says about itself.

`BundleManifest.from_dict` is strict: unknown keys are refused and all problems are reported at
once. `to_dict` gives back what `from_dict` accepts.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from soundseek.audio.frontends import PRESETS, FrontEndSpec, least_samples
from soundseek.bundle.fields import Section
from soundseek.errors import BundleError, SoundseekError

SCHEMA_VERSION = 1
MANIFEST_FILE = "bundle.json"
AUDIO_FILE = "audio.onnx"
TEXT_FILE = "text.onnx"
TOKENIZER_FILE = "tokenizer.json"
CARD_FILE = "MODEL_CARD.md"
SUFFIX = ".soundseek"
CONTENT_FILES = (AUDIO_FILE, TEXT_FILE, TOKENIZER_FILE, CARD_FILE)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class AudioSection:
    """How sound enters the network.

    `sample_rate` in Hz; `frontend` describes the features; a window of `window_samples` starts
    every `hop_samples` (which is no longer than the window, so that no sound goes unheard).
    """

    sample_rate: int
    frontend: FrontEndSpec
    window_samples: int
    hop_samples: int


@dataclass(frozen=True)
class TextSection:
    """How text enters the network: the longest query in tokens, and its normalisation."""

    max_tokens: int
    lowercase: bool
    strip_punctuation: bool


@dataclass(frozen=True)
class Calibration:
    """Turns a cosine into the probability 1 / (1 + exp(-(slope · cosine + intercept)))."""

    slope: float
    intercept: float


@dataclass(frozen=True)
class Similarity:
    """`scale`: what training multiplied cosines by; `calibration`: None if it was not measured."""

    scale: float
    calibration: Calibration | None


@dataclass(frozen=True)
class DataSource:
    """One source of training data: its name, its licence and how many clips came from it."""

    name: str
    licence: str
    clips: int


@dataclass(frozen=True)
class Provenance:
    """Where the model comes from; `scores` is free-form JSON, `attribution` may be empty."""

    recipe: str
    data: tuple[DataSource, ...]
    scores: Mapping[str, object]
    attribution: str


@dataclass(frozen=True)
class FileRecord:
    """A file of the bundle: SHA-256 in lower-case hexadecimal, and its size in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class BundleManifest:
    """The content of bundle.json. `files` is empty only before the bundle is written."""

    name: str
    description: str
    created: str
    dimension: int
    audio: AudioSection
    text: TextSection
    similarity: Similarity
    provenance: Provenance
    files: Mapping[str, FileRecord] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return the manifest as JSON-serialisable data, schema version first."""
        audio = {
            "sample_rate": self.audio.sample_rate,
            "frontend": self.audio.frontend.to_dict(),
            "window_samples": self.audio.window_samples,
            "hop_samples": self.audio.hop_samples,
        }
        provenance = {
            "recipe": self.provenance.recipe,
            "data": [dataclasses.asdict(source) for source in self.provenance.data],
            "scores": dict(self.provenance.scores),
            "attribution": self.provenance.attribution,
        }
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "description": self.description,
            "created": self.created,
            "dimension": self.dimension,
            "audio": audio,
            "text": dataclasses.asdict(self.text),
            "similarity": dataclasses.asdict(self.similarity),
            "provenance": provenance,
            "files": {name: dataclasses.asdict(record) for name, record in self.files.items()},
        }

    @classmethod
    def from_dict(cls, document: object, *, where: str = MANIFEST_FILE) -> BundleManifest:
        """Read parsed JSON; `where` names the file in messages.

        Raises `BundleError` listing every problem, or saying that the bundle needs a newer
        soundseek.
        """
        if not isinstance(document, Mapping):
            raise BundleError(f"{where} must hold a JSON object, not {type(document).__name__}")
        problems: list[str] = []
        root = Section(document, "", problems)
        version = root.integer("schema_version", least=1)
        if version > SCHEMA_VERSION:
            raise BundleError(
                f"{where} has schema version {version}, newer than {SCHEMA_VERSION}",
                remedy="upgrade soundseek: pip install --upgrade soundseek",
            )
        manifest = cls(
            name=_name(root),
            description=root.text("description"),
            created=_created(root),
            dimension=root.integer("dimension", least=1),
            audio=_audio(root.section("audio")),
            text=_text(root.section("text")),
            similarity=_similarity(root.section("similarity")),
            provenance=_provenance(root.section("provenance")),
            files=_files(root.section("files")),
        )
        root.finish()
        if problems:
            listed = "".join(f"\n  - {line}" for line in problems)
            count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
            raise BundleError(f"{where} has {count}:{listed}")
        return manifest

    @classmethod
    def from_json(cls, content: bytes, *, where: str = MANIFEST_FILE) -> BundleManifest:
        """Read the bytes of bundle.json; `BundleError` if they are no JSON or hold problems."""
        try:
            document = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise BundleError(
                f"{where} is not JSON: {error}", remedy="fetch or export the bundle again"
            ) from error
        return cls.from_dict(document, where=where)

    def to_json(self) -> bytes:
        """Return the bytes of bundle.json: UTF-8, indented, in a fixed order."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode()


def _name(root: Section) -> str:
    name = root.text("name")
    if name and not _NAME.fullmatch(name):
        root.note("name", name, "use a-z, 0-9, '.', '_' and '-', at most 64 characters")
    return name


def _created(root: Section) -> str:
    created = root.text("created")
    try:
        if created:
            datetime.fromisoformat(created)
    except ValueError:
        root.note("created", created, "must be an ISO 8601 date, such as 2026-01-31T12:00:00+00:00")
    return created


def _audio(section: Section) -> AudioSection:
    sample_rate = section.integer("sample_rate", least=1)
    window_samples = section.integer("window_samples", least=1)
    hop_samples = section.integer("hop_samples", least=1)
    if hop_samples > window_samples:
        section.note("hop_samples", hop_samples, f"must not exceed window_samples {window_samples}")
    frontend = _frontend(section, sample_rate)
    if window_samples < (least := least_samples(frontend)):
        section.note("window_samples", window_samples, f"the front-end needs at least {least}")
    section.finish()
    return AudioSection(sample_rate, frontend, window_samples, hop_samples)


def _frontend(section: Section, sample_rate: int) -> FrontEndSpec:
    stand_in = next(iter(PRESETS.values()))
    n_problems = len(section.problems)
    document = section.mapping("frontend")
    if len(section.problems) > n_problems:
        return stand_in
    try:
        spec = FrontEndSpec.from_dict(document)
    except SoundseekError as error:
        section.problems.append(f"{section.at('frontend')}: {error.message}")
        return stand_in
    if spec.sample_rate != sample_rate:
        section.note("frontend.sample_rate", spec.sample_rate, f"must be {sample_rate}")
    return spec


def _text(section: Section) -> TextSection:
    text = TextSection(
        max_tokens=section.integer("max_tokens", least=1),
        lowercase=section.boolean("lowercase"),
        strip_punctuation=section.boolean("strip_punctuation"),
    )
    section.finish()
    return text


def _similarity(section: Section) -> Similarity:
    scale = section.number("scale")
    inner = section.optional_section("calibration")
    calibration = None
    if inner is not None:
        calibration = Calibration(inner.number("slope"), inner.number("intercept"))
        inner.finish()
    section.finish()
    return Similarity(scale, calibration)


def _provenance(section: Section) -> Provenance:
    sources = []
    for entry in section.sections("data"):
        sources.append(
            DataSource(entry.text("name"), entry.text("licence"), entry.integer("clips", least=0))
        )
        entry.finish()
    provenance = Provenance(
        recipe=section.text("recipe"),
        data=tuple(sources),
        scores=section.mapping("scores"),
        attribution=section.text("attribution", may_be_empty=True),
    )
    section.finish()
    return provenance


def _files(section: Section) -> dict[str, FileRecord]:
    records = {}
    for name in CONTENT_FILES:
        entry = section.section(name)
        sha256 = entry.text("sha256")
        if sha256 and not _SHA256.fullmatch(sha256):
            entry.note("sha256", sha256, "must be 64 lower-case hexadecimal digits")
        records[name] = FileRecord(sha256, entry.integer("bytes", least=0))
        entry.finish()
    section.finish()
    return records
