"""Any folder of sounds: captions in files beside them, or in their names.

Beside `rain.wav` may lie `rain.txt` (a caption a line) or `rain.json` (`caption`, `captions` or
`text`, and if wanted `tags`, `split`, `licence`, `author`, `freesound_id`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from soundseek.errors import DataError
from soundseek.lab.choices import chosen
from soundseek.lab.data.grouping import by_shared_captions
from soundseek.lab.data.ids import SOUND_SUFFIXES, freesound_id
from soundseek.lab.data.manifest import SPLITS, Clip
from soundseek.lab.data.tables import read_json

_WAYS = {"auto": "beside, else in the name", "sidecar": "beside only", "names": "in the name only"}
_DOWNLOADED = re.compile(r"(?P<id>\d+)__(?P<author>.+?)__(?P<title>.+)")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOT_A_WORD = re.compile(r"[\W_\d]+")


def read(
    root: Path,
    *,
    captions: str = "auto",
    split: str = "train",
    source: str = "",
    licence: str = "not stated",
) -> list[Clip]:
    """Every sound below `root`, with ids `{source}/{path below root}`.

    `captions`: "auto" (beside the sound, else from its name), "sidecar" or "names". Captions from
    names get the quality 1, and 0 where a name has no words (no caption then). A folder at the top
    that is called train, validation or test is its clips' split; others are in `split`. A name as
    Freesound gives it for download (`{id}__{author}__{title}`) tells the id. `source` is by default
    the folder's own name.
    """
    chosen(_WAYS, captions, "way to caption a folder")
    source = source or root.resolve().name
    return by_shared_captions(
        [
            _clip(root, path, captions, split, source, licence)
            for path in sorted(root.rglob("*"))
            if path.suffix.lower() in SOUND_SUFFIXES and path.is_file()
        ]
    )


def _clip(root: Path, path: Path, way: str, split: str, source: str, licence: str) -> Clip:
    place = path.relative_to(root)
    name = f"{source}/{place.as_posix()}"
    facts = {} if way == "names" else _beside(path)
    downloaded = _DOWNLOADED.fullmatch(path.stem)
    told = _texts(facts)
    from_name = "" if told or way == "sidecar" else words_of(path.stem)
    own_id = freesound_id(facts.get("freesound_id"))
    top = place.parts[0] if len(place.parts) > 1 else ""
    return Clip(
        id=name,
        path=str(path),
        duration_s=0.0,
        captions=told or ((from_name,) if from_name else ()),
        tags=tuple(str(tag) for tag in facts.get("tags") or ()),
        source=source,
        split=str(facts.get("split") or (top if top in SPLITS else split)),
        freesound_id=own_id or (downloaded["id"] if downloaded else None),
        licence=str(facts.get("licence") or facts.get("license") or licence),
        group=name,
        caption_quality=2 if told else 1 if from_name else 0,
        author=facts.get("author") or (downloaded["author"] if downloaded else None),
    )


def words_of(stem: str) -> str:
    """The words in a file's name: "DogBarking_02" → "dog barking"; "" where there are none."""
    downloaded = _DOWNLOADED.fullmatch(stem)
    title = downloaded["title"] if downloaded else stem
    return " ".join(_NOT_A_WORD.sub(" ", _HUMP.sub(" ", title)).split()).lower()


def _beside(path: Path) -> dict[str, Any]:
    told = path.with_suffix(".json")
    if told.is_file():
        document = read_json(told)
        if not isinstance(document, dict):
            raise DataError(f"{told} is no JSON object", remedy='expected {"captions": ["…"]}')
        return document
    lines = path.with_suffix(".txt")
    if lines.is_file():
        try:
            return {"captions": lines.read_text(encoding="utf-8-sig").splitlines()}
        except UnicodeDecodeError as error:
            raise DataError(f"{lines}: {error}", remedy="store it as UTF-8") from error
    return {}


def _texts(facts: dict[str, Any]) -> tuple[str, ...]:
    found = next((facts[key] for key in ("captions", "caption", "text") if facts.get(key)), ())
    listed = [found] if isinstance(found, str) else found
    return tuple(text for item in listed if (text := str(item).strip()))
