"""Captions as people and as programs read them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundseek.cli.terminal import (
    count,
    faint,
    say,
    say_bytes,
    say_json,
    shown_path,
    span,
    strong,
)

if TYPE_CHECKING:
    from soundseek.bundle.captioning.describe import Description

CSV_COLUMNS = ("path", "file_name", "start_s", "end_s", "caption", "score")
"""`file_name` is there for those who match captions by it, as DCASE's tables do."""

_SIDECAR = ".txt"


class Output(Enum):
    """What `caption` prints."""

    TEXT = "text"
    JSON = "--json"
    CSV = "--csv"


@dataclass(frozen=True)
class Outcome:
    """What became of a file: its description, or the reason why there is none."""

    path: str
    description: Description | None = None
    reason: str | None = None


class Printer:
    """Prints outcomes as they come, or with `--json` all at the end."""

    def __init__(self, output: Output, model: str, captioner: str) -> None:
        """`model` and `captioner` are the names of what was used."""
        self.described = 0
        self.failed: list[Outcome] = []
        self._output = output
        self._names = {"model": model, "captioner": captioner}
        self._clips: list[dict[str, Any]] = []
        if output is Output.CSV:
            _say_csv([CSV_COLUMNS])

    def take(self, outcome: Outcome) -> None:
        """Print a description, or keep a failure for the end."""
        description = outcome.description
        if description is None:
            self.failed.append(outcome)
            return
        self.described += 1
        if self._output is Output.JSON:
            self._clips.append(_clip(description))
        elif self._output is Output.CSV:
            _say_csv(_rows(description))
        else:
            _say_text(description)

    def finish(self, kept: Sequence[str]) -> None:
        """Tell what failed, and which files were passed over since they have a sidecar."""
        if self._output is Output.JSON:
            failed = [{"path": one.path, "reason": one.reason} for one in self.failed]
            say_json({**self._names, "clips": self._clips, "failed": failed, "kept": list(kept)})
            return
        if kept:
            said = count(len(kept), "sound has", "sounds have")
            say(f"{said} a {_SIDECAR} file already; --force writes it again", err=True)
        if self.failed:
            said = count(len(self.failed), "file")
            say(f"{said} could not be described:", err=True)
        for one in self.failed:
            say(f"  {shown_path(one.path)}", err=True)
            say(faint(f"      {one.reason}"), err=True)


def sidecar_of(path: str) -> Path:
    """Return the file beside a sound for its caption. The whole name stays, since rain.wav and
    rain.mp3 are two sounds, and rain.txt may be somebody's notes."""
    return Path(f"{path}{_SIDECAR}")


def write_sidecar(path: str, caption: str, *, force: bool) -> str | None:
    """Write a caption beside its sound; returns why it could not be.

    Without `force` a file that is there stays as it is.
    """
    target = sidecar_of(path)
    draft = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        if not force:
            with target.open("x", encoding="utf-8") as file:
                file.write(caption + "\n")
            return None
        try:
            draft.write_text(caption + "\n", encoding="utf-8")
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        return f"{target.name} cannot be written: {error.strerror or error}"
    return None


def _clip(description: Description) -> dict[str, Any]:
    return {
        "path": description.path,
        "caption": description.caption,
        "score": round(description.score, 4),
        "duration_s": round(description.duration_s, 3),
        "windows": [
            {
                "start_s": round(part.start_s, 3),
                "end_s": round(part.end_s, 3),
                "caption": part.caption,
                "score": round(part.score, 4),
            }
            for part in description.parts
        ],
    }


def _rows(description: Description) -> list[tuple[object, ...]]:
    """Return a row for each part, or one for the whole where there are no parts."""
    clip = _clip(description)
    whole = {**clip, "start_s": 0.0, "end_s": clip["duration_s"]}
    name = os.path.basename(description.path)  # noqa: PTH119 - the path may be no text
    return [
        (clip["path"], name, *(part[column] for column in CSV_COLUMNS[2:]))
        for part in clip["windows"] or [whole]
    ]


def _say_csv(rows: Sequence[Sequence[object]]) -> None:
    import csv
    import io

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    say_bytes([text.getvalue().encode("utf-8", "backslashreplace")])


def _say_text(description: Description) -> None:
    say(f"{strong(shown_path(description.path))}  {description.caption}")
    for part in description.parts:
        say(f"  {faint(span(part.start_s, part.end_s))}  {part.caption}")
