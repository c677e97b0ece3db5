"""Where the sound of a clip is, how long it lasts, and what to do where there is none."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from soundseek.audio.decode import probe, read
from soundseek.errors import AudioError, DataError
from soundseek.lab.choices import chosen
from soundseek.lab.data.ids import SOUND_SUFFIXES, without_sound_suffix
from soundseek.lab.data.manifest import Clip

OnProgress = Callable[[int, int], None]

POLICIES: Final = MappingProxyType(
    {
        "required": "every clip must have a sound that can be read",
        "present": "clips without one are left out and listed",
        "optional": "clips without one stay, marked has_audio=False: for work on texts alone",
    }
)


class SoundIndex:
    """The sound files that lie directly in some folders, found by name.

    A folder is listed once, however many files are asked for; one that is not there holds none.
    """

    def __init__(self, *folders: Path) -> None:
        """`folders`: where to look, in order of preference; at least one."""
        self._first = folders[0]
        self._by_name: dict[str, Path] = {}
        self._by_stem: dict[str, Path] = {}
        for folder in folders:
            if not folder.is_dir():
                continue
            for path in sorted(folder.iterdir()):
                if path.suffix.lower() in SOUND_SUFFIXES:
                    self._by_name.setdefault(path.name, path)
                    self._by_stem.setdefault(without_sound_suffix(path.name), path)

    def path(self, *names: str) -> str:
        """The file called by the first of `names` that is there.

        A name counts as it is, with HTML entities resolved, without spaces at its ends, and with
        another sound ending (corpora are often stored as FLAC). Where none is there, the path at
        which the first one is expected.
        """
        for name in names:
            for spelling in dict.fromkeys((name, html.unescape(name), name.strip())):
                found = self._by_name.get(spelling)
                found = found or self._by_stem.get(without_sound_suffix(spelling))
                if found is not None:
                    return str(found)
        return str(self._first / names[0])


@dataclass(frozen=True)
class Sounded:
    """`clips` with duration and rate from their files; `without`: clip id → why it has no sound."""

    clips: list[Clip]
    without: dict[str, str]


def with_sound(
    clips: Sequence[Clip], policy: str, *, on_progress: OnProgress | None = None
) -> Sounded:
    """Look at every clip's file, and treat those without a readable one by `policy`.

    `policy` is one of `POLICIES`. The duration is the file's own, from its header; only where the
    container does not say is it decoded. A part of a file (`start_s` > 0) keeps its duration.

    Raises `RecipeError` for an unknown policy, and `DataError` when `policy` is "required" and a
    clip has no readable sound, with their number and the first few.
    """
    chosen(POLICIES, policy, "way to treat missing audio")
    kept: list[Clip] = []
    without: dict[str, str] = {}
    for done, clip in enumerate(clips, start=1):
        try:
            kept.append(_sounded(clip))
        except AudioError as error:
            without[clip.id] = error.message
            if policy == "optional":
                kept.append(replace(clip, has_audio=False))
        if on_progress is not None:
            on_progress(done, len(clips))
    if without and policy == "required":
        first = "; ".join(list(without.values())[:3])
        raise DataError(
            f"{len(without):,} of {len(clips):,} clips have no readable sound, the first: {first}",
            remedy="put the files there; or leave such clips out with audio=present, "
            "or keep their texts with audio=optional",
        )
    return Sounded(kept, without)


def _sounded(clip: Clip) -> Clip:
    info = probe(clip.path)
    duration_s = info.duration_s
    if clip.start_s > 0:
        duration_s = clip.duration_s
    elif duration_s is None:
        samples, rate = read(clip.path)
        duration_s = len(samples) / rate
    return replace(clip, duration_s=duration_s, sample_rate=info.sample_rate, has_audio=True)
