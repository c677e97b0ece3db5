"""The clips of a recipe: its sources read, chosen, cleaned of what is excluded, and cut to size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from soundseek.errors import DataError
from soundseek.lab.data.folds import fold_of
from soundseek.lab.data.manifest import Clip, read_parquet, select
from soundseek.lab.retrieval.recipe import Data, Source

if TYPE_CHECKING:
    from soundseek.lab.data.exclusion import ExclusionList

_SAME: Final = 0  # runs of other seeds are scored on the same clips


@dataclass(frozen=True)
class ClipSets:
    """Clips with captions, for training, validation and test."""

    train: list[Clip]
    validation: list[Clip]
    test: list[Clip]


def clip_sets(data: Data, seed: int, say: Callable[[str], None]) -> ClipSets:
    """Read every source. Raises `DataError` for missing corpora and for parts without clips."""
    train, validation, test = (
        _read(sources, data, say) for sources in (data.train, data.validation, data.test)
    )
    if data.extra_captions:
        train = _with_captions(train, data, say)
    train, validation, test = (_captioned(part) for part in (train, validation, test))
    _hygiene(train, test, say)
    if data.folds is not None:
        train, validation = _fold([*train, *validation], data.folds, data.fold)
    if data.most_clips is not None:
        train = _some(train, data.most_clips, seed)
        validation, test = (_some(part, data.most_clips, _SAME) for part in (validation, test))
    for name, part in (("train", train), ("validation", validation)):
        if not part:
            raise DataError(
                f"no clip with a caption in data.{name}",
                remedy="check its sources: corpus, split, tiers, min_caption_quality",
            )
    return ClipSets(train, validation, test)


def test_clips(data: Data, say: Callable[[str], None]) -> list[Clip]:
    """The test clips alone; training data need not be there."""
    clips = _captioned(_read(data.test, data, say))
    return clips if data.most_clips is None else _some(clips, data.most_clips, _SAME)


def extra_captions(
    clips: list[Clip], data: Data, say: Callable[[str], None]
) -> dict[str, tuple[str, ...]]:
    """Clip id → captions that may take the place of the clip's own (`augment.text.p_extra`)."""
    from soundseek.lab.augment.captions import for_clips, read_extra_captions

    found: dict[str, tuple[str, ...]] = {}
    for path in data.extra_captions:
        captions, report = for_clips(clips, read_extra_captions(path))
        say(f"{path}: {report}")
        for clip, texts in captions.items():
            found[clip] = (*found.get(clip, ()), *texts)
    return found


test_clips.__test__ = False  # type: ignore[attr-defined]


def read_source(source: Source, data: Data, say: Callable[[str], None]) -> list[Clip]:
    """What one source gives, without what it excludes. Raises `DataError` for what is not there."""
    chosen = select(
        _source(source, data, say),
        split=source.split,
        tiers=source.tiers,
        sources=source.sources,
        min_quality=source.min_caption_quality,
    )
    return _without(chosen, source, data, say) if source.exclude else chosen


def exclusion_list(name: str, data: Data) -> ExclusionList:
    """A standard exclusion set, or that of a file. Raises `DataError` where it is not there."""
    from soundseek.lab.data.exclusion import STANDARD, read_list, standard

    return standard(name, Path(data.folder) / "exclusion") if name in STANDARD else read_list(name)


def _read(sources: Sequence[Source], data: Data, say: Callable[[str], None]) -> list[Clip]:
    clips: list[Clip] = []
    for source in sources:
        chosen = read_source(source, data, say)
        clips += _unknown(chosen, clips, source, say) if source.only_new else chosen
    doubled = len(clips) - len({clip.id for clip in clips})
    if doubled:
        raise DataError(f"{doubled} clips come from two sources of one part of data")
    return clips


def _source(source: Source, data: Data, say: Callable[[str], None]) -> list[Clip]:
    if source.manifest is not None:
        return read_parquet(source.manifest)
    from soundseek.lab.data.corpora import open_corpus

    corpus = str(source.corpus)
    root = Path(source.root) if source.root is not None else _root(corpus, Path(data.folder))
    found = open_corpus(corpus, root, audio=source.audio, options=source.options)
    if found.without_sound:
        number, first = len(found.without_sound), next(iter(found.without_sound.values()))
        say(f"{corpus}: {number} clips have no readable sound, the first: {first}")
    return found.clips


def _root(corpus: str, folder: Path) -> Path:
    """Where a corpus lies that names no root: in a folder of its name, or, for a list of clips, in
    the data folder itself."""
    alone = corpus == "clips" and (folder / "clips.jsonl").is_file()
    return folder if alone else folder / corpus


def _without(
    clips: list[Clip], source: Source, data: Data, say: Callable[[str], None]
) -> list[Clip]:
    from soundseek.lab.data.exclusion import exclude

    lists = [exclusion_list(name, data) for name in source.exclude]
    kept, report = exclude(clips, lists)
    say(f"{source.corpus or source.manifest}: {len(report.excluded)} clips excluded")
    return kept


def _unknown(
    clips: list[Clip], known: list[Clip], source: Source, say: Callable[[str], None]
) -> list[Clip]:
    """The clips whose recording none of `known` is of, as far as their ids tell."""
    there = {name for clip in known for name in _recordings(clip)}
    kept = [clip for clip in clips if not there & set(_recordings(clip))]
    say(f"{source.corpus or source.manifest}: {len(clips) - len(kept)} clips are known already")
    return kept


def _recordings(clip: Clip) -> list[tuple[str, str]]:
    ids = {"freesound": clip.freesound_id, "youtube": clip.youtube_id}
    return [(kind, name) for kind, name in ids.items() if name is not None]


def _with_captions(clips: list[Clip], data: Data, say: Callable[[str], None]) -> list[Clip]:
    from soundseek.lab.augment.captions import merge_captions, read_extra_captions

    for path in data.extra_captions:
        clips, report = merge_captions(clips, read_extra_captions(path))
        say(
            f"{path}: {report.added} captions added, {report.repeated} were there already, "
            f"{len(report.unknown)} clips unknown, {len(report.ambiguous)} ambiguous"
        )
    return clips


def _captioned(clips: list[Clip]) -> list[Clip]:
    """Without empty captions, and without clips that have none left."""
    cleaned = (
        replace(clip, captions=tuple(caption for caption in clip.captions if caption.strip()))
        for clip in clips
    )
    return [clip for clip in cleaned if clip.captions]


def _hygiene(train: list[Clip], test: list[Clip], say: Callable[[str], None]) -> None:
    """Say which recordings stand in training and in test."""
    ids = {clip.freesound_id for clip in test if clip.freesound_id is not None}
    crossing = sum(clip.freesound_id in ids for clip in train if clip.freesound_id is not None)
    if crossing:
        say(f"warning: {crossing} training clips share their Freesound id with a test clip")


def _fold(clips: list[Clip], folds: int, fold: int) -> tuple[list[Clip], list[Clip]]:
    """Fold `fold` of `folds` as validation; clips of one group or recording stay together."""
    if fold >= folds:
        raise DataError(f"there is no fold {fold} of {folds}", remedy=f"use 0 … {folds - 1}")
    held_out = (fold_of(clips, folds) == fold).tolist()
    train = [clip for clip, out in zip(clips, held_out, strict=True) if not out]
    return train, [clip for clip, out in zip(clips, held_out, strict=True) if out]


def _some(clips: list[Clip], most: int, seed: int) -> list[Clip]:
    if len(clips) <= most:
        return clips
    chosen = np.random.default_rng((seed, most)).choice(len(clips), most, replace=False)
    return [clips[i] for i in sorted(chosen)]
