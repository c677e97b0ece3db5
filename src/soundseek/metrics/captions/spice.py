"""SPICE (Anderson et al. 2016): how far the scene graphs of caption and references agree.

pycocoevalcap brings SPICE but not the parser it needs, Stanford CoreNLP 3.6.0, whose two files
(0.4 GB) are looked for in the folder that is given, in $SOUNDSEEK_SPICE, and where pycocoevalcap
itself would put them. In the folder they may lie as they are, in `lib/`, or in the folder of the
published archive.

SPICE is of 2016 and writes its results with the JavaScript engine that Java 15 removed: it runs on
Java 8 to 14. It is started once for all clips, without its cache, whose libraries fail from
Java 16 on and are none of it needed for a single run.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from soundseek.metrics.captions.java import (
    INSTALL_JAVA,
    UTF8,
    JavaError,
    java_version,
    run,
    tools_folder,
)

VARIABLE = "SOUNDSEEK_SPICE"
ARCHIVE_NAME = "stanford-corenlp-full-2015-12-09"
ARCHIVE_URL = f"https://nlp.stanford.edu/software/{ARCHIVE_NAME}.zip"
PARSER_FILES = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
_OLDEST_JAVA, _NEWEST_JAVA = 8, 14
_MEMORY = "-Xmx8G"


def parser_files(folder: Path | None) -> list[Path] | None:
    """Return SPICE's parser and its models; None where no folder has both.

    `folder` None looks in $SOUNDSEEK_SPICE and in pycocoevalcap's own place.
    """
    for root in _roots(folder):
        for place in (root, root / "lib", root / ARCHIVE_NAME):
            files = [place / name for name in PARSER_FILES]
            if all(file.is_file() for file in files):
                return files
    return None


def no_spice(folder: Path | None, java: str | None) -> str | None:
    """Return why SPICE cannot be computed and what to do about it, None if it can."""
    if parser_files(folder) is None:
        where = f"in {folder}" if folder is not None else "anywhere"
        return (
            f"its parser is not found {where}: put {' and '.join(PARSER_FILES)}, both out of "
            f"{ARCHIVE_URL}, in a folder and name that in --spice-folder or {VARIABLE} "
            "(online, --fetch-spice does it), or give scores by --spice FILE"
        )
    if java is None:
        return f"needs Java, which is not found: {INSTALL_JAVA}"
    try:
        version = java_version(java)
    except JavaError as error:
        return f"{error.message}: {INSTALL_JAVA}"
    if version is not None and not _OLDEST_JAVA <= version <= _NEWEST_JAVA:
        return (
            f"runs on Java {_OLDEST_JAVA} to {_NEWEST_JAVA}, and {java} is Java {version}: "
            "install Java 8 or 11 and name its folder in JAVA_HOME, or give scores by --spice FILE"
        )
    return None


def spice_scores(
    ids: Sequence[str],
    predictions: Sequence[str],
    references: Sequence[Sequence[str]],
    folder: Path | None,
    java: str | None,
) -> dict[str, float]:
    """Return SPICE's F of each clip, of tokenised captions, in one run of the program.

    Raises `JavaError` if `no_spice` has a reason, if the program fails, or if its results are not
    those of the clips.
    """
    reason = no_spice(folder, java)
    files = parser_files(folder)
    if reason is not None or files is None or java is None:
        raise JavaError(f"SPICE {reason}")
    tools = tools_folder() / "spice"
    path = os.pathsep.join(map(str, [tools / "spice-1.0.jar", *files, tools / "lib" / "*"]))
    captions = [
        {"image_id": clip, "test": prediction, "refs": list(texts)}
        for clip, prediction, texts in zip(ids, predictions, references, strict=True)
    ]
    with tempfile.TemporaryDirectory(prefix="soundseek-spice-") as place:
        asked, answered = Path(place, "captions.json"), Path(place, "scores.json")
        asked.write_text(json.dumps(captions), encoding="utf-8")
        command = [java, *UTF8, _MEMORY, "-cp", path, "edu.anu.spice.SpiceScorer", str(asked)]
        run([*command, "-out", str(answered), "-silent"])
        return _read(answered, ids)


def _read(path: Path, ids: Sequence[str]) -> dict[str, float]:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        scores: Mapping[str, float] = {
            str(clip["image_id"]): float(clip["scores"]["All"]["f"]) for clip in found
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JavaError(f"SPICE's results cannot be read: {error!r}") from error
    if set(scores) != set(ids):
        raise JavaError(f"SPICE scored {len(scores):,} of {len(ids):,} clips")
    return dict(scores)


def _roots(folder: Path | None) -> list[Path]:
    if folder is not None:
        return [folder]
    named = os.environ.get(VARIABLE)
    return [*([Path(named)] if named else []), tools_folder() / "spice"]
