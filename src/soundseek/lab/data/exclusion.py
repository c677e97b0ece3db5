"""Leaving out the clips that stand in somebody's evaluation set.

Corpora made from Freesound overlap: a model that trains on WavCaps has heard most of Clotho unless
its clips are left out. Two published lists cover Clotho and the challenge's evaluation set together
and neither does alone: WavCaps' `blacklist_exclude_all_ac.json` and the ids of DCASE 2025 Task 6.

Everything is compared as text, since a list read as numbers and ids read as text have nothing in
common and nobody notices. For the same reason a list that excludes nothing is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from soundseek.errors import DataError
from soundseek.lab.choices import chosen
from soundseek.lab.data.ids import file_key, freesound_id, youtube_id
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.tables import read_json, read_table

STANDARD: Final = MappingProxyType(
    {
        "clotho_all": (
            "blacklist_exclude_all_ac.json",
            "dcase2025_task6_excluded_freesound_ids.csv",
        ),
        "clotho_test": (
            "blacklist_exclude_test_ac.json",
            "dcase2025_task6_excluded_freesound_ids.csv",
        ),
        "urbansound8k_esc50_vggsound": ("blacklist_exclude_ub8k_esc50_vggsound.json",),
    }
)
"""Sets by name → the published files they are the union of.

`clotho_all`: all splits of Clotho and AudioCaps, and the DCASE evaluation set; `clotho_test`: what
Clotho and AudioCaps validate and test with, and that set; `urbansound8k_esc50_vggsound`: those
three.
"""

_ID_COLUMNS = ("sound_id", "freesound_id", "fsID", "id")
_YOUTUBE_COLUMNS = ("youtube_id", "ytid")
_FILE_COLUMNS = ("file_name", "filename", "file")


@dataclass(frozen=True)
class ExclusionList:
    """What to leave out: Freesound ids, YouTube ids, and file names as `file_key` has them."""

    name: str
    freesound_ids: frozenset[str] = frozenset()
    youtube_ids: frozenset[str] = frozenset()
    file_keys: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.freesound_ids) + len(self.youtube_ids) + len(self.file_keys)


@dataclass(frozen=True)
class Excluded:
    """One clip left out: by which list, because of which kind of name, and which."""

    clip: str
    by: str
    kind: str
    value: str


@dataclass(frozen=True)
class ExclusionReport:
    """What `exclude` left out. `excluded_nothing` names the lists that met no clip;
    `without_freesound_id` counts the clips that stayed and could only be compared by name."""

    excluded: tuple[Excluded, ...]
    excluded_nothing: tuple[str, ...]
    without_freesound_id: int

    def to_dict(self) -> dict[str, Any]:
        """Counts and ids, for a report in JSON."""
        return {
            "excluded": len(self.excluded),
            "by_list": dict(Counter(item.by for item in self.excluded)),
            "by_kind": dict(Counter(item.kind for item in self.excluded)),
            "excluded_nothing": list(self.excluded_nothing),
            "kept_without_freesound_id": self.without_freesound_id,
            "clips": [item.clip for item in self.excluded],
        }


def read_list(path: str | Path) -> ExclusionList:
    """Read one list, by its ending:

    .json: WavCaps' lists, `{"AudioSet": ["Y….wav", …], "FreeSound": ["…", …]}`; .csv: columns of
    ids (sound_id, freesound_id, fsID, id), of YouTube ids (youtube_id, ytid) and of file names
    (file_name, filename, file), whichever are there, so that the metadata of Clotho or the table of
    AudioCaps will do; anything else: a name a line, where a number is a Freesound id, other names
    are files, and those that may be YouTube ids are that as well. "Not found" and empty cells are
    no ids.

    Raises `DataError` for a missing or broken file, and for one that lists nothing.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        found = _from_json(path)
    elif path.suffix.lower() in {".csv", ".tsv"}:
        found = _from_table(path)
    else:
        found = _from_lines(path)
    if not len(found):
        raise DataError(f"{path} lists nothing to exclude")
    return found


def union(name: str, lists: Iterable[ExclusionList]) -> ExclusionList:
    """What any of the lists holds."""
    lists = list(lists)
    return ExclusionList(
        name,
        frozenset().union(*(item.freesound_ids for item in lists)),
        frozenset().union(*(item.youtube_ids for item in lists)),
        frozenset().union(*(item.file_keys for item in lists)),
    )


def standard(name: str, folder: str | Path) -> ExclusionList:
    """A set of `STANDARD`, its published files read from `folder`.

    Raises `RecipeError` for an unknown name, and `DataError` for files that are not there.
    """
    files = chosen(STANDARD, name, "exclusion set")
    missing = [file for file in files if not (Path(folder) / file).is_file()]
    if missing:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}, which {name} is made of",
            remedy="WavCaps' lists are in its repository on GitHub, the ids of DCASE 2025 with the "
            "baseline of Task 6; give the folder that holds both",
        )
    return union(name, [read_list(Path(folder) / file) for file in files])


def exclude(
    clips: Sequence[Clip], lists: Sequence[ExclusionList], *, must_exclude: bool = True
) -> tuple[list[Clip], ExclusionReport]:
    """The clips that no list names, in their order, and what was left out.

    A clip is named by its Freesound id, its YouTube id, or the name of its file (without ending,
    since corpora are stored in other formats than they are listed in).

    Raises `DataError` when a list excluded nothing, unless `must_exclude` is False.
    """
    kept: list[Clip] = []
    excluded: list[Excluded] = []
    met: Counter[str] = Counter()
    for clip in clips:
        reasons = [reason for item in lists for reason in _reasons(clip, item)]
        met.update({reason.by for reason in reasons})
        if reasons:
            excluded.append(reasons[0])
        else:
            kept.append(clip)
    idle = tuple(item.name for item in lists if not met[item.name])
    if idle and must_exclude:
        raise DataError(
            f"{', '.join(idle)} excluded nothing of {len(clips):,} clips "
            f"({sum(clip.freesound_id is not None for clip in clips):,} with a Freesound id, "
            f"{sum(clip.youtube_id is not None for clip in clips):,} with a YouTube id)",
            remedy="check that list and corpus fit; if they have nothing in common, "
            "say so with must_exclude=False (--may-exclude-nothing)",
        )
    without_id = sum(clip.freesound_id is None for clip in kept)
    return kept, ExclusionReport(tuple(excluded), idle, without_id)


def _reasons(clip: Clip, item: ExclusionList) -> Iterable[Excluded]:
    own_id = freesound_id(clip.freesound_id)
    if own_id in item.freesound_ids:
        yield Excluded(clip.id, item.name, "Freesound id", str(own_id))
    if clip.youtube_id in item.youtube_ids:
        yield Excluded(clip.id, item.name, "YouTube id", str(clip.youtube_id))
    key = file_key(Path(clip.path).name)
    if key in item.file_keys:
        yield Excluded(clip.id, item.name, "file name", key)


def _from_json(path: Path) -> ExclusionList:
    document = read_json(path)
    if not isinstance(document, dict) or not {"AudioSet", "FreeSound"} & set(document):
        raise DataError(
            f"{path} is no exclusion list", remedy='expected {"AudioSet": […], "FreeSound": […]}'
        )
    return ExclusionList(
        path.name,
        freesound_ids=_present(freesound_id(name) for name in document.get("FreeSound", ())),
        youtube_ids=_present(youtube_id(name) for name in document.get("AudioSet", ())),
    )


def _from_table(path: Path) -> ExclusionList:
    rows = read_table(path)
    columns = set(rows[0]) if rows else set()
    if rows and not columns & {*_ID_COLUMNS, *_YOUTUBE_COLUMNS, *_FILE_COLUMNS}:
        raise DataError(
            f"{path} has no column to exclude by: it has {', '.join(sorted(columns))}",
            remedy=f"name it {', '.join((*_ID_COLUMNS, *_YOUTUBE_COLUMNS, *_FILE_COLUMNS))}",
        )
    return ExclusionList(
        path.name,
        freesound_ids=_present(freesound_id(cell) for cell in _cells(rows, _ID_COLUMNS)),
        youtube_ids=_present(youtube_id(cell) for cell in _cells(rows, _YOUTUBE_COLUMNS)),
        file_keys=_present(file_key(cell) for cell in _cells(rows, _FILE_COLUMNS)),
    )


def _from_lines(path: Path) -> ExclusionList:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    names = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    numbers = [name for name in names if name.isdecimal()]
    others = [name for name in names if not name.isdecimal()]
    return ExclusionList(
        path.name,
        freesound_ids=_present(map(freesound_id, numbers)),
        youtube_ids=_present(map(youtube_id, others)),
        file_keys=_present(map(file_key, others)),
    )


def _cells(rows: Sequence[dict[str, str]], columns: Sequence[str]) -> Iterable[str]:
    return (row[column] for row in rows for column in columns if column in row)


def _present(names: Iterable[str | None]) -> frozenset[str]:
    return frozenset(name for name in names if name)
