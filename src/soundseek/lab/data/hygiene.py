"""What is wrong, or odd, about a manifest: sounds, doubles, and whatever crosses splits."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from soundseek.audio.decode import probe, stream
from soundseek.errors import AudioError
from soundseek.lab.data.grouping import shared_captions
from soundseek.lab.data.ids import freesound_id
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.sounding import OnProgress
from soundseek.lab.data.statistics import duration_quantiles
from soundseek.text import normalise_caption

_BLOCK_BYTES = 1 << 20
# Padding of lossy formats, and manifests that round, stay below this.
_TOLERANCE_S = 0.5


@dataclass(frozen=True)
class Finding:
    """Something about some clips: `subject` is the file, id or text that it is about."""

    subject: str
    clips: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What `check` found. Only `missing` and `corrupt` are failures; the rest is good to know.

    `missing` and `corrupt`: subject is the reason. `duplicates`: files of the same bytes. The three
    `…_crossing`: Freesound ids, file names (within one source) and captions that stand in more than
    one split. `captions_shared`: texts of several clips of one split, and
    `captions_shared_across_groups` those among them whose clips are not of one group, so that
    training takes right answers for wrong ones. `silent`: sounds of nothing but zeros (deep only).
    """

    clips: int
    missing: tuple[Finding, ...]
    corrupt: tuple[Finding, ...]
    silent: tuple[Finding, ...]
    duplicates: tuple[Finding, ...]
    freesound_ids_crossing: tuple[Finding, ...]
    file_names_crossing: tuple[Finding, ...]
    captions_crossing: tuple[Finding, ...]
    captions_shared: tuple[Finding, ...]
    captions_shared_across_groups: tuple[Finding, ...]
    groups_crossing: tuple[Finding, ...]
    without_captions: tuple[Finding, ...]
    empty_captions: tuple[Finding, ...]
    without_freesound_id: int
    sample_rates: dict[str, int]
    duration_quantiles_s: dict[str, float]

    @property
    def failures(self) -> int:
        """How many clips have no sound that can be read."""
        return len(self.missing) + len(self.corrupt)

    def findings(self) -> dict[str, tuple[Finding, ...]]:
        """Every kind of finding by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, tuple)}

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "clips": self.clips,
            "failures": self.failures,
            "without_freesound_id": self.without_freesound_id,
            "sample_rates": self.sample_rates,
            "duration_quantiles_s": self.duration_quantiles_s,
            **{
                name: [{"subject": one.subject, "clips": list(one.clips)} for one in found]
                for name, found in self.findings().items()
            },
        }


def check(
    clips: Sequence[Clip],
    *,
    sounds: bool = True,
    deep: bool = False,
    on_progress: OnProgress | None = None,
) -> Report:
    """Check a manifest.

    With `sounds`, every file is looked for and its header read; of files with equal sizes the
    bytes are compared. With `deep`, every sound is decoded to its end: this finds files that break
    off (more than half a second short of what their header says) and silence.
    """
    missing, corrupt, silent = _sounds(clips, deep, on_progress) if sounds else ([], [], [])
    unreadable = {name for finding in (*missing, *corrupt) for name in finding.clips}
    shared = [
        (text, [clips[index] for index in sharing])
        for (_, text), sharing in shared_captions(clips).items()
    ]
    return Report(
        clips=len(clips),
        missing=tuple(missing),
        corrupt=tuple(corrupt),
        silent=tuple(silent),
        duplicates=_duplicates([clip for clip in clips if clip.id not in unreadable])
        if sounds
        else (),
        freesound_ids_crossing=_crossing(clips, _freesound_ids),
        file_names_crossing=_crossing(
            clips, lambda clip: [f"{clip.source}: {Path(clip.path).name}"]
        ),
        captions_crossing=_crossing(clips, lambda clip: map(normalise_caption, clip.captions)),
        captions_shared=tuple(_finding(text, group) for text, group in shared),
        captions_shared_across_groups=tuple(
            _finding(text, group) for text, group in shared if len({c.group for c in group}) > 1
        ),
        groups_crossing=_crossing(clips, lambda clip: [clip.group]),
        without_captions=tuple(_finding(c.id, [c]) for c in clips if not c.captions),
        empty_captions=tuple(
            _finding(text, [c]) for c in clips for text in c.captions if not normalise_caption(text)
        ),
        without_freesound_id=sum(freesound_id(clip.freesound_id) is None for clip in clips),
        sample_rates={str(rate): n for rate, n in sorted(Counter(_rates(clips)).items())},
        duration_quantiles_s=duration_quantiles(clips),
    )


def _sounds(
    clips: Sequence[Clip], deep: bool, on_progress: OnProgress | None
) -> tuple[list[Finding], list[Finding], list[Finding]]:
    missing: list[Finding] = []
    corrupt: list[Finding] = []
    silent: list[Finding] = []
    for done, clip in enumerate(clips, start=1):
        if not Path(clip.path).is_file():
            missing.append(_finding(f"{clip.path}: no such file", [clip]))
        else:
            try:
                if _heard(clip, deep) == 0.0:
                    silent.append(_finding(clip.path, [clip]))
            except AudioError as error:
                corrupt.append(_finding(error.message, [clip]))
        if on_progress is not None:
            on_progress(done, len(clips))
    return missing, corrupt, silent


def _heard(clip: Clip, deep: bool) -> float | None:
    """The greatest absolute sample of the file, or None where it was not decoded."""
    info = probe(clip.path)
    if not deep:
        return None
    samples, peak = 0, 0.0
    for block in stream(clip.path, info.sample_rate):
        samples += len(block)
        peak = max(peak, float(np.abs(block).max()))
    heard_s, promised_s = samples / info.sample_rate, info.duration_s
    if promised_s is not None and heard_s < promised_s - _TOLERANCE_S:
        raise AudioError(f"{clip.path}: breaks off at {heard_s:.2f} s of {promised_s:.2f} s")
    return peak


def _duplicates(clips: Sequence[Clip]) -> tuple[Finding, ...]:
    # Parts of one recording share their file on purpose: each path counts once.
    holders: dict[str, Clip] = {}
    for clip in clips:
        holders.setdefault(clip.path, clip)
    sizes: defaultdict[int, list[Clip]] = defaultdict(list)
    for path, clip in holders.items():
        sizes[Path(path).stat().st_size].append(clip)
    contents: defaultdict[str, list[Clip]] = defaultdict(list)
    for alike in sizes.values():
        if len(alike) > 1:
            for clip in alike:
                contents[_digest(Path(clip.path))].append(clip)
    return tuple(_finding(digest, same) for digest, same in contents.items() if len(same) > 1)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _crossing(
    clips: Sequence[Clip], names_of: Callable[[Clip], Iterable[str]]
) -> tuple[Finding, ...]:
    holders: defaultdict[str, dict[str, Clip]] = defaultdict(dict)
    for clip in clips:
        for name in names_of(clip):
            holders[name][clip.id] = clip
    return tuple(
        _finding(name, list(own.values()))
        for name, own in holders.items()
        if name and len({clip.split for clip in own.values()}) > 1
    )


def _freesound_ids(clip: Clip) -> list[str]:
    own = freesound_id(clip.freesound_id)
    return [] if own is None else [own]


def _rates(clips: Sequence[Clip]) -> list[int]:
    return [clip.sample_rate for clip in clips if clip.sample_rate is not None]


def _finding(subject: str, clips: Sequence[Clip]) -> Finding:
    return Finding(subject, tuple(clip.id for clip in clips))
