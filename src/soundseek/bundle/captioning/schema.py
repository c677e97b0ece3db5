"""captioner.json, version 1: what a captioner says about itself.

`CaptionerManifest.from_dict` is strict: unknown keys are refused and all problems are reported at
once. `to_dict` gives back what `from_dict` accepts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from soundseek.bundle.fields import Section
from soundseek.bundle.manifests import (
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
    read_sha256,
    refuse,
)

SCHEMA_VERSION = 1
MANIFEST_FILE = "captioner.json"
MEMORY_FILE = "memory.onnx"
DECODER_FILE = "decoder.onnx"
TOKENIZER_FILE = "tokenizer.json"
CARD_FILE = "MODEL_CARD.md"
CONTENT_FILES = (MEMORY_FILE, DECODER_FILE, TOKENIZER_FILE, CARD_FILE)


@dataclass(frozen=True)
class Hears:
    """The bundle whose window vectors [n, dimension] the captioner reads."""

    name: str
    fingerprint: str
    dimension: int


@dataclass(frozen=True)
class CaptionText:
    """Token ids and the longest caption.

    A caption is written after `begin` and ends with `end`; `pad` is never written (it may be one
    of the others). `max_tokens` counts what is written, `end` included; it is as well the most
    ids, `begin` included, that the decoder reads.
    """

    begin: int
    end: int
    pad: int
    max_tokens: int


@dataclass(frozen=True)
class DecodingDefaults:
    """How captions are searched for unless told otherwise; see `decoding.Decoding`."""

    beams: int
    min_tokens: int
    max_tokens: int
    no_repeat_ngram: int
    length_penalty: float


@dataclass(frozen=True)
class CaptionerManifest:
    """The content of captioner.json. `files` is empty only before the captioner is written.

    `most_windows` is the longest memory: a longer clip is represented by so many of its windows,
    spread evenly.
    """

    name: str
    description: str
    created: str
    hears: Hears
    most_windows: int
    text: CaptionText
    decoding: DecodingDefaults
    provenance: Provenance
    files: Mapping[str, FileRecord] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return the manifest as JSON-serialisable data, schema version first."""
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "description": self.description,
            "created": self.created,
            "hears": dataclasses.asdict(self.hears),
            "most_windows": self.most_windows,
            "text": dataclasses.asdict(self.text),
            "decoding": dataclasses.asdict(self.decoding),
            "provenance": self.provenance.to_dict(),
            "files": files_document(self.files),
        }

    @classmethod
    def from_dict(cls, document: object, *, where: str = MANIFEST_FILE) -> CaptionerManifest:
        """Read parsed JSON; `where` names the file in messages.

        Raises `BundleError` listing every problem, or saying that a newer soundseek is needed.
        """
        root = opened(document, where, SCHEMA_VERSION)
        text = _text(root.section("text"))
        manifest = cls(
            name=read_name(root),
            description=root.text("description"),
            created=read_created(root),
            hears=_hears(root.section("hears")),
            most_windows=root.integer("most_windows", least=1),
            text=text,
            decoding=_decoding(root.section("decoding"), text),
            provenance=read_provenance(root.section("provenance")),
            files=read_files(root.section("files"), CONTENT_FILES),
        )
        refuse(root, where)
        return manifest

    @classmethod
    def from_json(cls, content: bytes, *, where: str = MANIFEST_FILE) -> CaptionerManifest:
        """Read the bytes of captioner.json; `BundleError` if they are no JSON or hold problems."""
        return cls.from_dict(parsed(content, where, "captioner"), where=where)

    def to_json(self) -> bytes:
        """Return the bytes of captioner.json: UTF-8, indented, in a fixed order."""
        return as_json(self.to_dict())


def _hears(section: Section) -> Hears:
    hears = Hears(
        name=read_name(section),
        fingerprint=read_sha256(section, "fingerprint"),
        dimension=section.integer("dimension", least=1),
    )
    section.finish()
    return hears


def _text(section: Section) -> CaptionText:
    text = CaptionText(
        begin=section.integer("begin", least=0),
        end=section.integer("end", least=0),
        pad=section.integer("pad", least=0),
        max_tokens=section.integer("max_tokens", least=1),
    )
    section.finish()
    return text


def _decoding(section: Section, text: CaptionText) -> DecodingDefaults:
    decoding = DecodingDefaults(
        beams=section.integer("beams", least=1),
        min_tokens=section.integer("min_tokens", least=0),
        max_tokens=section.integer("max_tokens", least=1),
        no_repeat_ngram=section.integer("no_repeat_ngram", least=0),
        length_penalty=section.number("length_penalty"),
    )
    if decoding.max_tokens > text.max_tokens:
        section.note("max_tokens", decoding.max_tokens, f"must not exceed {text.max_tokens}")
    if decoding.min_tokens >= decoding.max_tokens:
        section.note("min_tokens", decoding.min_tokens, f"must be below {decoding.max_tokens}")
    section.finish()
    return decoding
