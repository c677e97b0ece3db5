"""Captions that a captioner wrote, as tables hold them, and which of them are of which clip."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from soundseek.errors import DataError
from soundseek.lab.data.manifest import Clip
from soundseek.text.normalise import normalise_caption

IN_A_RUN: Final = "captions.csv"
"""What a captioning run calls the captions of its test clips."""
_NAMES: Final = ("id", "file_name")
_CAPTIONS: Final = ("caption_predicted", "prediction", "caption")
_NUMBERED: Final = re.compile(r"caption_\d+")


@dataclass(frozen=True)
class Generated:
    """What was written for clips.

    Attributes:
        texts: the different captions, in alphabetical order.
        of_clip: for each clip, the places in `texts` of its captions, in the order of the table;
            empty where all that was written for it is empty.
        without_words: how many captions hold no word, and are left out.
        unused: how many captions of the table are of no clip.
    """

    texts: list[str]
    of_clip: list[list[int]]
    without_words: int
    unused: int

    @property
    def occurrences(self) -> list[int]:
        """How often each of `texts` was written."""
        counts = Counter(place for places in self.of_clip for place in places)
        return [counts[place] for place in range(len(self.texts))]

    @property
    def silent(self) -> int:
        """How many clips have no caption with a word."""
        return sum(not places for places in self.of_clip)

    def told(self) -> str:
        """What there is, in a line."""
        line = f"{sum(map(len, self.of_clip)):,} captions, {len(self.texts):,} different ones"
        if self.without_words:
            line += f"; {self.without_words:,} hold no word, {self.silent:,} clips have no other"
        return line + (f"; {self.unused:,} are of other clips" if self.unused else "")


def generated_for(
    clips: Sequence[Clip], written: Mapping[str, Sequence[str]], where: str
) -> Generated:
    """The generated captions of each clip, found by its id or, where that is not there, by its
    file's name.

    Raises `DataError` for clips of which nothing is said, for a file name that two clips share,
    and where no clip has a caption with a word.
    """
    found, by_name = [], defaultdict(list)
    for clip in clips:
        name = Path(clip.path).name
        if clip.id not in written:
            by_name[name].append(clip.id)
        found.append(clip.id if clip.id in written else name)
    lacking = [clip.id for clip, key in zip(clips, found, strict=True) if key not in written]
    if lacking:
        raise DataError(
            f"{where} has no caption for {len(lacking)} of {len(clips)} clips, "
            f"such as {lacking[0]}",
            remedy="caption every clip of the test set",
        )
    for name, ids in by_name.items():
        if len(ids) > 1:
            raise DataError(
                f"{where} names {name}, which {len(ids)} clips are called: {ids[0]}, {ids[1]}",
                remedy="name the clips by id",
            )
    kept = [[text for text in written[key] if normalise_caption(text)] for key in found]
    texts = sorted({text for captions in kept for text in captions})
    if clips and not texts:
        raise DataError(
            f"{where}: no caption of the {len(clips)} clips holds a word",
            remedy="look at what the captioner wrote",
        )
    place = {text: number for number, text in enumerate(texts)}
    known = set(found)
    return Generated(
        texts,
        [[place[text] for text in captions] for captions in kept],
        sum(len(written[key]) for key in found) - sum(map(len, kept)),
        sum(len(captions) for key, captions in written.items() if key not in known),
    )


def read_generated(place: Path) -> dict[str, list[str]]:
    """Clip id or file name → its generated captions, empty ones included.

    `place` is a table with commas or tabs, or a captioning run's folder that holds `captions.csv`.
    A clip may have several rows (one a window, say) and several captions in a row (`caption_1`,
    `caption_2`, …; those that are empty are no captions). Other columns are passed over.

    Raises `DataError` for a file that is not there, is not in UTF-8, or has another layout.
    """
    path = place / IN_A_RUN if place.is_dir() else place
    if not path.is_file():
        remedy = "write them with `soundseek caption`"
        if place.is_dir():
            remedy = "let the captioning run come to its end, or name a table"
        raise DataError(f"no captions at {path}", remedy=remedy)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            rows = csv.reader(file, delimiter="\t" if "\t" in first else ",")
            return _read(rows, path, lambda: rows.line_num)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not in UTF-8", remedy="save it in UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path} cannot be read: {error}", remedy="write it anew") from error


def _read(rows: Iterator[list[str]], path: Path, line: Callable[[], int]) -> dict[str, list[str]]:
    header = [cell.strip() for cell in next(rows, [])]
    name = next((header.index(column) for column in _NAMES if column in header), None)
    numbered = [place for place, column in enumerate(header) if _NUMBERED.fullmatch(column)]
    single = next((header.index(column) for column in _CAPTIONS if column in header), None)
    texts = numbered if single is None else [single]
    if name is None or not texts:
        raise DataError(
            f"{path} has the columns {', '.join(header)}",
            remedy=f"name them {' or '.join(_NAMES)} and {' or '.join(_CAPTIONS)}, "
            "or caption_1, caption_2, …",
        )
    found: dict[str, list[str]] = {}
    for row in rows:
        if not row:
            continue
        if len(row) != len(header):
            raise DataError(
                f"{path}, line {line()}: {len(row)} cells, but the header has {len(header)}",
                remedy="complete the row, and put texts that hold commas in double quotes",
            )
        captions = [caption for place in texts if (caption := row[place].strip())]
        found.setdefault(row[name].strip(), []).extend(captions or [""])
    return found
