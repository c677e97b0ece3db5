"""bundle.json, version 1: what a bundle says about itself.

`BundleManifest.from_dict` is strict: unknown keys are refused and all problems are reported at
once. `to_dict` gives back what `from_dict` accepts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from soundseek.audio.frontends import PRESETS, FrontEndSpec, least_samples
from soundseek.bundle.fields import Section
from soundseek.bundle.manifests import (
    DataSource,
    FileRecord,
    Provenance,
    as_json,
    files_document,
    opened,
    parsed,
    read_created,
    read_files,
    read_name,
    read_provenance,
    refuse,
)
from soundseek.errors import SoundseekError

__all__ = [
    "AudioSection",
    "BundleManifest",
    "Calibration",
    "DataSource",
    "FileRecord",
    "Provenance",
    "Similarity",
    "TextSection",
]

SCHEMA_VERSION = 1
MANIFEST_FILE = "bundle.json"
AUDIO_FILE = "audio.onnx"
TEXT_FILE = "text.onnx"
TOKENIZER_FILE = "tokenizer.json"
CARD_FILE = "MODEL_CARD.md"
SUFFIX = ".soundseek"
CONTENT_FILES = (AUDIO_FILE, TEXT_FILE, TOKENIZER_FILE, CARD_FILE)

FittedOn = Literal["hits", "pairs"]
_FITTED_ON: tuple[FittedOn, ...] = ("hits", "pairs")


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
    """Turns a cosine into the probability 1 / (1 + exp(-(slope · cosine + intercept))).

    Attributes:
        fitted_on: what it is the probability of. "hits": that a hit with this score is right,
            fitted to the first hits of validation queries. "pairs", what bundles without the field
            have: that a pair is a matching one where matching and random pairs are equally
            frequent, which is far above the share of hits that are right; nobody is shown it.
    """

    slope: float
    intercept: float
    fitted_on: FittedOn = "pairs"


@dataclass(frozen=True)
class Similarity:
    """`scale`: what training multiplied cosines by; `calibration`: None if it was not measured."""

    scale: float
    calibration: Calibration | None


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
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "description": self.description,
            "created": self.created,
            "dimension": self.dimension,
            "audio": audio,
            "text": dataclasses.asdict(self.text),
            "similarity": dataclasses.asdict(self.similarity),
            "provenance": self.provenance.to_dict(),
            "files": files_document(self.files),
        }

    @classmethod
    def from_dict(cls, document: object, *, where: str = MANIFEST_FILE) -> BundleManifest:
        """Read parsed JSON; `where` names the file in messages.

        Raises `BundleError` listing every problem, or saying that the bundle needs a newer
        soundseek.
        """
        root = opened(document, where, SCHEMA_VERSION)
        manifest = cls(
            name=read_name(root),
            description=root.text("description"),
            created=read_created(root),
            dimension=root.integer("dimension", least=1),
            audio=_audio(root.section("audio")),
            text=_text(root.section("text")),
            similarity=_similarity(root.section("similarity")),
            provenance=read_provenance(root.section("provenance")),
            files=read_files(root.section("files"), CONTENT_FILES),
        )
        refuse(root, where)
        return manifest

    @classmethod
    def from_json(cls, content: bytes, *, where: str = MANIFEST_FILE) -> BundleManifest:
        """Read the bytes of bundle.json; `BundleError` if they are no JSON or hold problems."""
        return cls.from_dict(parsed(content, where), where=where)

    def to_json(self) -> bytes:
        """Return the bytes of bundle.json: UTF-8, indented, in a fixed order."""
        return as_json(self.to_dict())


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
        slope, intercept = inner.number("slope"), inner.number("intercept")
        calibration = Calibration(slope, intercept, inner.choice("fitted_on", _FITTED_ON, "pairs"))
        inner.finish()
    section.finish()
    return Similarity(scale, calibration)
