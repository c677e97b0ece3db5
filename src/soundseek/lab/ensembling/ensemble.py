"""An ensemble from its members' folders to a folder of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from soundseek.errors import DataError
from soundseek.lab.ensembling.alignment import gathered
from soundseek.lab.ensembling.figures import figures_of
from soundseek.lab.ensembling.join import By, Joined, checked_weights, joined, mixture
from soundseek.lab.ensembling.scales import Scale
from soundseek.lab.ensembling.selection import Selection, select
from soundseek.lab.ensembling.sources import Say, distinct_members, member_similarities
from soundseek.lab.evaluate import plain
from soundseek.lab.retrieval.scores import write_predictions
from soundseek.lab.similarities import Similarities, open_similarities
from soundseek.metrics.retrieval import Metric

SCHEMA_VERSION: Final = 1
DOCUMENT, PREDICTIONS = "ensemble.json", "predictions.csv"
_KEPT = "similarities"
Part = Literal["test", "validation"]


@dataclass(frozen=True)
class Settings:
    """How members are joined.

    `weights`: one a member, None: all alike; `greedy`: found on the validation part by `figure`
    instead, members being taken more than once with `replacement`.
    """

    scale: Scale = "none"
    by: By = "similarities"
    weights: tuple[float, ...] | None = None
    greedy: bool = False
    figure: str = "mAP@10"
    replacement: bool = True


def ensemble(
    members: Sequence[Path],
    out: Path,
    settings: Settings,
    *,
    part: Part = "test",
    truth: Path | None = None,
    say: Say = print,
) -> dict[str, Any]:
    """Join members into the folder `out`; returns what its ensemble.json says.

    The folder gets ensemble.json (members, weights, figures of each member and of the whole with
    95 % intervals), predictions.csv and similarities/PART, which can be a member again; selection
    adds similarities/validation. An earlier ensemble there is replaced at the end.

    Raises `DataError` for fewer than two members, one that is named twice, members that do not fit
    together, and a taken `out`.
    """
    if len(members) < 2:
        raise DataError(
            f"an ensemble needs two members or more, and {len(members)} was named",
            remedy="name more runs, folders of similarities or score matrices",
        )
    distinct_members(members)
    _check_free(out, members)
    if settings.greedy and settings.weights is not None:
        raise DataError("greedy selection finds the weights: give no others")
    checked_weights(settings.weights, len(members))
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(out.name + ".partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        document = _made(members, draft, settings, part, truth, say)
        shutil.rmtree(draft / "work", ignore_errors=True)
        shutil.rmtree(out, ignore_errors=True)
        draft.replace(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return document


def _made(
    members: Sequence[Path],
    draft: Path,
    settings: Settings,
    part: Part,
    truth: Path | None,
    say: Say,
) -> dict[str, Any]:
    work = draft / "work"
    work.mkdir()

    def opened(which: str) -> dict[str, Similarities]:
        return gathered(
            (str(path), member_similarities(path, which, work=work, truth=truth, say=say))
            for path in members
        )

    weights, selection = settings.weights, None
    if settings.greedy:
        validation = mixture(opened("validation"), scale=settings.scale, by=settings.by)
        say(f"selecting among {len(members)} members on {len(validation.reference.clips)} clips")
        ready = validation.stored(work)
        selection = select(ready, figure=settings.figure, replacement=settings.replacement)
        weights = tuple(map(float, selection.counts))
        Joined(validation, checked_weights(weights, len(members))).save(
            draft / _KEPT / "validation"
        )
    found = opened(part)
    whole = joined(found, scale=settings.scale, weights=weights, by=settings.by)
    if not (settings.greedy and part == "validation"):
        whole.save(draft / _KEPT / part)
    kept = open_similarities(draft / _KEPT / part)
    write_predictions(kept, draft / PREDICTIONS)
    metrics = figures_of(kept)
    document = described(found, whole, metrics, part, settings.scale, settings.by, selection)
    write_document(draft, document)
    return document


def described(
    found: Mapping[str, Similarities],
    whole: Joined,
    metrics: Mapping[str, Metric],
    part: str,
    scale: Scale,
    by: By,
    selection: Selection | None,
) -> dict[str, Any]:
    """What ensemble.json says of members by name and of the whole that they make, whose figures
    are `metrics`."""
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "part": part,
        "by": by,
        "scale": scale if by == "similarities" else None,
        "selection": None if selection is None else _told(selection, list(found)),
        "members": [
            {"path": name, "weight": weight, "metrics": plain(figures_of(one))}
            for (name, one), weight in zip(found.items(), whole.weights, strict=True)
        ],
        "clips": len(whole.clips),
        "n": len(whole.queries),
        "metrics": plain(dict(metrics)),
    }
    if by == "embeddings":
        # Whether the members' axes agree is not known before: scores are averaged beside.
        beside = joined(found, scale=scale, weights=whole.weights)
        document["by_similarities"] = {"scale": scale, "metrics": plain(beside.metrics())}
    return document


def write_document(folder: Path, document: Mapping[str, Any]) -> None:
    """Write ensemble.json."""
    draft = folder / f"{DOCUMENT}.partial"
    text = json.dumps(document, indent=2, ensure_ascii=False)
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(folder / DOCUMENT)


def _told(selection: Selection, members: Sequence[str]) -> dict[str, Any]:
    return {
        "part": "validation",
        "figure": selection.figure,
        "rounds": [
            {"member": members[one.member], "value": round(one.value, 5)}
            for one in selection.rounds
        ],
    }


def _check_free(out: Path, members: Sequence[Path]) -> None:
    place = out.resolve()
    for member in members:
        if place == member.resolve() or place in member.resolve().parents:
            raise DataError(
                f"{out} holds the member {member}, and would be written anew",
                remedy="choose another --out",
            )
    if out.exists() and not (out / DOCUMENT).is_file() and (out.is_file() or any(out.iterdir())):
        raise DataError(f"{out} is taken, and holds no ensemble", remedy="choose another --out")
