"""MACS (Martín-Morató and Mesaros, DCASE 2021; Zenodo 5114771): captions of TAU 2019 city scenes.

As published: `MACS.yaml` with `files: [{filename, annotations: [{sentence, tags}]}]`; the sounds
are those of TAU Urban Acoustic Scenes 2019 development, in its `audio/` folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soundseek.errors import DataError
from soundseek.lab.data.grouping import by_shared_captions
from soundseek.lab.data.labels import in_words
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.sounding import SoundIndex

_CLIP_S = 10.0


def read(root: Path) -> list[Clip]:
    """All clips, for training, with ids `macs/{file name}`. The label is the scene, which the file
    name begins with ("airport-barcelona-0-0-a.wav")."""
    sounds = SoundIndex(
        root / "audio", root / "TAU-urban-acoustic-scenes-2019-development" / "audio", root
    )
    return by_shared_captions([_clip(row, root, sounds) for row in _files(root / "MACS.yaml")])


def _clip(row: dict[str, Any], root: Path, sounds: SoundIndex) -> Clip:
    try:
        name = str(row["filename"])
        annotations = row["annotations"]
        captions = tuple(text for item in annotations if (text := str(item["sentence"]).strip()))
        tags = dict.fromkeys(tag for item in annotations for tag in item.get("tags") or ())
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{root / 'MACS.yaml'}: an entry is not as MACS has it ({error!r}): {row}"
        ) from error
    return Clip(
        id=f"macs/{name}",
        path=sounds.path(name),
        duration_s=_CLIP_S,
        captions=captions,
        tags=tuple(map(in_words, tags)),
        source="macs",
        split="train",
        licence="non-commercial, Tampere University",
        group=f"macs/{name}",
        label=name.partition("-")[0],
    )


def _files(path: Path) -> list[dict[str, Any]]:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise DataError(
            "MACS needs PyYAML, which is not installed", remedy="pip install 'soundseek[lab]'"
        ) from error
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror}", remedy="get it from Zenodo, record 5114771"
        ) from error
    try:
        # The C parser is ten times as fast, where the installation has it.
        document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise DataError(f"{path}: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("files"), list):
        raise DataError(f"{path} has no list called files")
    files: list[dict[str, Any]] = document["files"]
    return files
