"""The description that goes with a submission: who made the system, of what, and how good it is.

The fields are those of the challenge's meta files: submission, system, results. Organisers change
details from year to year, so compare with the template in the year's own package before handing in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from soundseek.errors import DataError
from soundseek.metrics.dcase.submission import submission_label
from soundseek.metrics.dcase.tables import shown, written

_LONGEST_ABBREVIATION = 10
_ABBREVIATION = re.compile(rf".{{1,{_LONGEST_ABBREVIATION}}}")
_METRICS = ("R@1", "R@5", "R@10", "mAP@10")
_METRICS_2025 = (*_METRICS, "mAP@16")
_FREE_FIELDS = (
    "input_sampling_rate",
    "acoustic_features",
    "audio_augmentation",
    "audio_modelling",
    "text_embeddings",
    "text_augmentation",
    "text_modelling",
    "loss_function",
    "optimizer",
    "learning_rate",
    "learning_scheme",
    "metric_monitored",
    "ensemble_method_subsystem_count",
)

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Affiliation:
    """Where an author works; `abbreviation` of the first author's goes into the label."""

    abbreviation: str
    institute: str
    department: str | None = None
    location: str | None = None


@dataclass(frozen=True)
class Author:
    """One author; exactly one of them is the corresponding one."""

    lastname: str
    firstname: str
    affiliation: Affiliation
    email: str | None = None
    corresponding: bool = False


@dataclass(frozen=True)
class SubmissionMeta:
    """What the meta file says.

    Attributes:
        year: 2022 to 2025.
        number: of the submission, 1 to 4.
        name, abbreviation: of the system, the latter at most 10 characters.
        authors: in the order of the report.
        description: facts of the system by field (`FIELDS`); what is not given is written as null.
        total_parameters: of the whole system, ensembles summed.
        external_resources: name, type ("dataset", "pretrained model", …) and address of each.
        source_code: an address, if it is published.
        results: metrics on Clotho's development-testing split by name, as fractions.
    """

    year: int
    number: int
    name: str
    abbreviation: str
    authors: Sequence[Author]
    description: Mapping[str, Value] = field(default_factory=dict)
    total_parameters: int | None = None
    external_resources: Sequence[tuple[str, str, str]] = ()
    source_code: str | None = None
    results: Mapping[str, float] = field(default_factory=dict)

    FIELDS = _FREE_FIELDS

    @property
    def label(self) -> str:
        """The label by which the challenge indexes the submission."""
        first = next(author for author in self.authors if author.corresponding)
        return submission_label(
            first.lastname, first.affiliation.abbreviation, self.year, self.number
        )


def write_meta(path: str | Path, meta: SubmissionMeta) -> None:
    """Write the YAML file of a submission.

    Raises `DataError` for an impossible label, an abbreviation that is too long, a number of
    corresponding authors other than one, unknown fields or metrics, and results that are no
    fractions; all of it before anything is written.
    """
    document = _document(meta)
    with written(Path(path)) as file:
        file.writelines(f"{line}\n" for line in yaml_lines(document))


def _document(meta: SubmissionMeta) -> dict[str, object]:
    corresponding = sum(author.corresponding for author in meta.authors)
    if corresponding != 1:
        raise DataError(
            f"{corresponding} of {len(meta.authors)} authors are marked as corresponding",
            remedy="mark exactly one",
        )
    if _ABBREVIATION.fullmatch(meta.abbreviation) is None:
        raise DataError(
            f"the abbreviation {shown(meta.abbreviation)} has {len(meta.abbreviation)} characters",
            remedy=f"give 1 to {_LONGEST_ABBREVIATION} of them, on one line",
        )
    metrics = _METRICS_2025 if meta.year == 2025 else _METRICS
    _refuse_unknown("field of the description", meta.description, _FREE_FIELDS)
    _refuse_unknown("result", meta.results, metrics)
    for name, value in meta.results.items():
        if not 0.0 <= value <= 1.0:
            raise DataError(f"{name} is {value}: results are fractions from 0 to 1")
    return {
        "submission": {
            "label": meta.label,
            "name": meta.name,
            "abbreviation": meta.abbreviation,
            "authors": [_author(author) for author in meta.authors],
        },
        "system": {
            "description": {name: meta.description.get(name) for name in _FREE_FIELDS},
            "complexity": {"total_parameters": meta.total_parameters},
            "external_resources": [
                {"name": name, "type": kind, "url": url}
                for name, kind, url in meta.external_resources
            ],
            "source_code": meta.source_code,
        },
        "results": {
            "development_testing": {name: meta.results.get(name) for name in metrics},
        },
    }


def _author(author: Author) -> dict[str, object]:
    place = author.affiliation
    return {
        "lastname": author.lastname,
        "firstname": author.firstname,
        "email": author.email,
        **({"corresponding": True} if author.corresponding else {}),
        "affiliation": {
            "abbreviation": place.abbreviation,
            "institute": place.institute,
            "department": place.department,
            "location": place.location,
        },
    }


def _refuse_unknown(what: str, given: Mapping[str, object], known: Sequence[str]) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        raise DataError(
            f"there is no {what} called {shown(unknown[0])}", remedy=f"choices: {', '.join(known)}"
        )


def yaml_lines(node: object, indent: int = 0) -> Iterator[str]:
    """Go through the lines of a document of dicts, lists and plain values in block style.

    Texts are always in double quotes, so none of them is taken for a number, a date or a switch.
    Keys are written as they are: they are names that need no quotes.
    """
    margin = " " * indent
    if isinstance(node, Mapping):
        for key, value in node.items():
            if isinstance(value, Mapping | list) and value:
                yield f"{margin}{key}:"
                yield from yaml_lines(value, indent + 2)
            else:
                yield f"{margin}{key}: {_scalar(value)}"
    elif isinstance(node, list):
        for item in node:
            first, *rest = yaml_lines(item, indent + 2)
            yield f"{margin}- {first[indent + 2 :]}"
            yield from rest
    else:
        yield f"{margin}{_scalar(node)}"


def _scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{"".join(map(_escaped, value))}"'
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        # YAML 1.1 takes 1e-05 for a text: its numbers need a dot.
        digits = repr(value)
        return digits if "." in digits or "e" not in digits else digits.replace("e", ".0e")
    if isinstance(value, list | Mapping):
        return "[]" if isinstance(value, list) else "{}"
    raise DataError(f"{value!r} cannot be written as YAML", remedy="give texts and finite numbers")


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08X}"
