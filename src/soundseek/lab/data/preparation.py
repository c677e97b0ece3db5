"""From a corpus on disk to a manifest without what must not be trained on, and a report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soundseek import __version__
from soundseek.errors import DataError
from soundseek.lab.data.corpora import CORPORA, open_corpus
from soundseek.lab.data.exclusion import (
    STANDARD,
    ExclusionList,
    ExclusionReport,
    exclude,
    read_list,
    standard,
)
from soundseek.lab.data.hygiene import Report, check
from soundseek.lab.data.manifest import Clip, write_parquet
from soundseek.lab.data.sounding import OnProgress
from soundseek.lab.data.statistics import statistics

_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Preparation:
    """What `prepare_corpus` made: the clips of the manifest, why others are not in it or have no
    sound, what was excluded, what `check` says of the texts, and where the files are."""

    clips: list[Clip]
    without_sound: dict[str, str]
    exclusion: ExclusionReport
    hygiene: Report
    manifest: Path
    report: Path


def prepare_corpus(
    name: str,
    root: str | Path,
    out: str | Path,
    *,
    audio: str = "required",
    options: Mapping[str, Any] | None = None,
    exclusions: Sequence[ExclusionList] = (),
    must_exclude: bool = True,
    on_progress: OnProgress | None = None,
) -> Preparation:
    """Read a corpus (see `open_corpus`), leave out what `exclusions` name, and write `out`.

    `out` is the manifest, a .parquet file; beside it `{out without ending}.json` tells what was
    read and left out, what is odd about it, and its statistics. Both are written under other names
    and renamed, the manifest last: where it is, all is there.

    Raises what `open_corpus` and `exclude` raise, and `DataError` when nothing remains.
    """
    out = Path(out)
    if out.suffix != ".parquet":
        raise DataError(f"the manifest is to be {out}", remedy="give a name that ends in .parquet")
    corpus = open_corpus(name, root, audio=audio, options=options, on_progress=on_progress)
    clips, exclusion = exclude(corpus.clips, exclusions, must_exclude=must_exclude)
    if not clips:
        raise DataError(
            f"all {len(corpus.clips):,} clips of {name} were excluded",
            remedy="these lists are of this very corpus: prepare it without them",
        )
    # The sounds were just looked at by open_corpus.
    hygiene = check(clips, sounds=False)
    report = out.with_suffix(".json")
    document = {
        "schema_version": _SCHEMA_VERSION,
        "made_by": f"soundseek {__version__}",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "corpus": name,
        "licence": CORPORA[name].licence,
        "homepage": CORPORA[name].homepage,
        "root": str(Path(root).absolute()),
        "audio": audio,
        "options": dict(options or {}),
        "clips": len(clips),
        "without_sound": corpus.without_sound,
        "exclusion": exclusion.to_dict(),
        "statistics": statistics(clips),
        "hygiene": hygiene.to_dict(),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    report_draft, draft = out.with_suffix(".json-draft"), out.with_suffix(".parquet-draft")
    report_draft.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    write_parquet(clips, draft)
    report_draft.replace(report)
    draft.replace(out)
    return Preparation(clips, corpus.without_sound, exclusion, hygiene, out, report)


def exclusion_list(named: str, folder: str | Path | None = None) -> ExclusionList:
    """The list that a word on a command line means: a set of `STANDARD`, read from `folder`, or
    else a file. Raises `DataError` when it is neither, or when `folder` is not told."""
    if named in STANDARD:
        if folder is None:
            raise DataError(
                f"{named} is made of {' and '.join(STANDARD[named])}",
                remedy="give the folder that holds them (--lists FOLDER)",
            )
        return standard(named, folder)
    if not Path(named).is_file():
        raise DataError(
            f"{named} is neither a file nor a known set", remedy=f"sets: {', '.join(STANDARD)}"
        )
    return read_list(named)
