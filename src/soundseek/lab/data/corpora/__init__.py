"""Corpora by name. Each module reads one published layout on disk into `Clip` rows.

A module has `read(root, *, options…) -> list[Clip]`. It says which file a clip's sound is expected
in and leaves looking at sounds to `soundseek.lab.data.sounding`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, cast

from soundseek.errors import DataError, RecipeError
from soundseek.lab.choices import chosen
from soundseek.lab.data.manifest import Clip, checked
from soundseek.lab.data.sounding import OnProgress, with_sound

_HERE = "soundseek.lab.data.corpora"


class Row(NamedTuple):
    """A corpus: its module, what it is, the licence of the whole, and where it is explained."""

    module: str
    description: str
    licence: str
    homepage: str


CORPORA: Final[Mapping[str, Row]] = MappingProxyType(
    {
        "clotho": Row(
            f"{_HERE}.clotho",
            "Clotho v2.1: 5,929 Freesound clips of 15 to 30 s with 5 captions each",
            "captions: Tampere University licence (non-commercial); audio: per clip",
            "https://zenodo.org/records/4783391",
        ),
        "audiocaps": Row(
            f"{_HERE}.audiocaps",
            "AudioCaps 1.0: captions of 10 s AudioSet clips, 1 in train, 5 in val and test",
            "captions: MIT; audio: YouTube's terms",
            "https://github.com/cdjkim/audiocaps",
        ),
        "wavcaps": Row(
            f"{_HERE}.wavcaps",
            "WavCaps: weak captions by ChatGPT for FreeSound, BBC, SoundBible and AudioSet SL",
            "academic use only",
            "https://github.com/XinhaoMei/WavCaps",
        ),
        "fsd50k": Row(
            f"{_HERE}.fsd50k",
            "FSD50K: 51,197 Freesound clips with AudioSet labels; captions made from the labels",
            "CC BY 4.0; audio: per clip",
            "https://zenodo.org/records/4060432",
        ),
        "laion630k": Row(
            f"{_HERE}.laion630k",
            "LAION-Audio-630K's processed form: pairs of .flac and .json with texts and tags",
            "per data set",
            "https://github.com/LAION-AI/audio-dataset",
        ),
        "lass2024": Row(
            f"{_HERE}.lass2024",
            "DCASE 2024 Task 9, synthetic validation: captioned Freesound clips",
            "per clip, see its homepage",
            "https://dcase.community/challenge2024/task-language-queried-audio-source-separation",
        ),
        "macs": Row(
            f"{_HERE}.macs",
            "MACS: 3,930 city scenes of TAU 2019, 2 to 5 captions each",
            "non-commercial, see its LICENSE.txt",
            "https://zenodo.org/records/5114771",
        ),
        "urbansound8k": Row(
            f"{_HERE}.urbansound8k",
            "UrbanSound8K: 8,732 excerpts of ten city classes in ten folds; captions from labels",
            "CC BY-NC 3.0",
            "https://urbansounddataset.weebly.com/urbansound8k.html",
        ),
        "esc50": Row(
            f"{_HERE}.esc50",
            "ESC-50: 2,000 clips of fifty classes in five folds; captions from labels",
            "CC BY-NC 3.0",
            "https://github.com/karolpiczak/ESC-50",
        ),
        "folder": Row(
            f"{_HERE}.folder",
            "any folder of sounds, captions in .txt or .json files beside them or in their names",
            "your own",
            "",
        ),
        "csv": Row(f"{_HERE}.csv_file", "any CSV of files and captions", "your own", ""),
        "clips": Row(f"{_HERE}.clips", "a folder with soundseek's own clips.jsonl", "per clip", ""),
    }
)
"""Every corpus that can be read."""


@dataclass(frozen=True)
class Corpus:
    """The clips, and clip id → why it has no sound (left out, or marked, as it was asked for)."""

    clips: list[Clip]
    without_sound: dict[str, str]


class _Adapter(Protocol):
    def read(self, root: Path, **options: Any) -> list[Clip]: ...


def open_corpus(
    name: str,
    root: str | Path,
    *,
    audio: str = "required",
    options: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
) -> Corpus:
    """Read the corpus called `name` as it was published, from the folder `root`.

    `audio` says what becomes of clips without a readable sound: "required" (all must have one),
    "present" (left out) or "optional" (kept, `has_audio` False), see `with_sound`. `options` are
    those of the corpus' module; text from a command line becomes a number where one is wanted.

    Raises `RecipeError` for an unknown name, option or policy, with the choices; `DataError` for
    whatever is missing or broken in `root`, for a corpus without clips and for doubled ids.
    """
    row = chosen(CORPORA, name, "corpus")
    adapter = cast("_Adapter", importlib.import_module(row.module))
    root = Path(root)
    if not root.exists():
        raise DataError(
            f"there is no {root}",
            remedy=f"get {name} from {row.homepage}" if row.homepage else None,
        )
    clips = checked(adapter.read(root.absolute(), **_converted(adapter, name, options)), str(root))
    if not clips:
        raise DataError(f"{root} holds no clips of {name}", remedy=f"{name} is {row.description}")
    sounded = with_sound(clips, audio, on_progress=on_progress)
    if not sounded.clips:
        reason = next(iter(sounded.without.values()))
        raise DataError(f"none of the {len(clips):,} clips has a readable sound: {reason}")
    return Corpus(sounded.clips, sounded.without)


def read_corpus(
    name: str,
    root: str | Path,
    *,
    audio: str = "required",
    options: Mapping[str, Any] | None = None,
) -> list[Clip]:
    """The clips of `open_corpus`, which tells the rest."""
    return open_corpus(name, root, audio=audio, options=options).clips


def _converted(adapter: _Adapter, name: str, options: Mapping[str, Any] | None) -> dict[str, Any]:
    known = dict(list(inspect.signature(adapter.read).parameters.items())[1:])
    converted: dict[str, Any] = {}
    for option, value in (options or {}).items():
        wanted = chosen(known, option, f"option of {name}").default
        if isinstance(wanted, int) and not isinstance(value, int):
            try:
                value = int(value)
            except (TypeError, ValueError):
                raise RecipeError(
                    f"{option} of {name} is {value!r}", remedy=f"give a number, such as {wanted}"
                ) from None
        converted[option] = value
    return converted
