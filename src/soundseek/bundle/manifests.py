"""What the manifests of bundles and of captioners share: provenance, files, and how they are read.

Readers of a `Section` note problems instead of raising; `refuse` raises them all at the end.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from soundseek.bundle.fields import Section
from soundseek.errors import BundleError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


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

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON-serialisable data."""
        return {
            "recipe": self.recipe,
            "data": [dataclasses.asdict(source) for source in self.data],
            "scores": dict(self.scores),
            "attribution": self.attribution,
        }


@dataclass(frozen=True)
class FileRecord:
    """A file of a model: SHA-256 in lower-case hexadecimal, and its size in bytes."""

    sha256: str
    bytes: int


def parsed(content: bytes, where: str, what: str = "bundle") -> object:
    """Return what JSON says; `BundleError` for bytes that are none. `what` is of the remedy."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{where} is not JSON: {error}", remedy=f"fetch or export the {what} again"
        ) from error


def opened(document: object, where: str, newest: int) -> Section:
    """Return the root of a manifest, its `schema_version` read.

    Raises `BundleError` for what is no object, or for a version after the `newest` that is known.
    """
    if not isinstance(document, Mapping):
        raise BundleError(f"{where} must hold a JSON object, not {type(document).__name__}")
    root = Section(document, "", [])
    version = root.integer("schema_version", least=1)
    if version > newest:
        raise BundleError(
            f"{where} has schema version {version}, newer than {newest}",
            remedy="upgrade soundseek: pip install --upgrade soundseek",
        )
    return root


def refuse(root: Section, where: str) -> None:
    """Note the keys of `root` that nothing has read, and raise `BundleError` with all problems."""
    root.finish()
    if root.problems:
        listed = "".join(f"\n  - {line}" for line in root.problems)
        n = len(root.problems)
        raise BundleError(f"{where} has {'a problem' if n == 1 else f'{n} problems'}:{listed}")


def as_json(document: Mapping[str, object]) -> bytes:
    """Return a manifest's bytes: UTF-8, indented, in a fixed order."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def read_name(section: Section) -> str:
    """Read `name`, which can be that of a folder."""
    name = section.text("name")
    if name and not _NAME.fullmatch(name):
        section.note("name", name, "use a-z, 0-9, '.', '_' and '-', at most 64 characters")
    return name


def read_created(root: Section) -> str:
    """Read `created`, a date."""
    created = root.text("created")
    try:
        if created:
            datetime.fromisoformat(created)
    except ValueError:
        root.note("created", created, "must be an ISO 8601 date, such as 2026-01-31T12:00:00+00:00")
    return created


def read_sha256(section: Section, key: str) -> str:
    """Read a SHA-256."""
    sha256 = section.text(key)
    if sha256 and not _SHA256.fullmatch(sha256):
        section.note(key, sha256, "must be 64 lower-case hexadecimal digits")
    return sha256


def read_provenance(section: Section) -> Provenance:
    """Read all of `provenance`."""
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


def read_files(section: Section, names: Sequence[str]) -> dict[str, FileRecord]:
    """Read the records of the files `names`, which must be there and be all."""
    records = {}
    for name in names:
        entry = section.section(name)
        records[name] = FileRecord(read_sha256(entry, "sha256"), entry.integer("bytes", least=0))
        entry.finish()
    section.finish()
    return records


def files_document(files: Mapping[str, FileRecord]) -> dict[str, object]:
    """Return the records as JSON-serialisable data."""
    return {name: dataclasses.asdict(record) for name, record in files.items()}
