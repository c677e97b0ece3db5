"""A browsable folder of sample sounds, as a person's own collection might look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from soundseek.errors import SoundseekError
from soundseek.synth.blocks import RATE
from soundseek.synth.kinds import KINDS
from soundseek.synth.rendering import render
from soundseek.synth.scenes import SCENES, render_scene

FORMATS = ("wav", "flac", "ogg")
"""The file formats that `write_collection` can write."""

_UNNAMED_EVERY = 5
_UNNAMED_FOLDER = "recorder"
_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a collection: where it lies and what is in it."""

    path: PurePosixPath
    """Relative to the collection's folder."""
    name: str
    """A key of `KINDS`, or of `SCENES` where `is_scene`."""
    is_scene: bool
    seed: int
    variant: int


def plan_collection(
    *, variants: int = 3, seed: int = 0, formats: Sequence[str] = FORMATS
) -> list[Item]:
    """What `write_collection` writes with the same arguments, without writing anything.

    Formats are taken in turn. The last variant of every fifth kind, and every other scene, has a
    name that says nothing (`recorder/rec_0007.wav`), so that only its sound can find it. Raises
    `SoundseekError` for no variants, no formats, an unknown format or a negative seed.
    """
    _check(variants, seed, formats)
    items: list[Item] = []
    for row, kind in enumerate(KINDS.values()):
        for variant in range(variants):
            suffix = formats[(row + variant) % len(formats)]
            unnamed = row % _UNNAMED_EVERY == 0 and variant == variants - 1
            path = (
                _unnamed(len(items), suffix)
                if unnamed
                else PurePosixPath(kind.folder, f"{kind.name}_{variant + 1}.{suffix}")
            )
            items.append(Item(path, kind.name, False, seed, variant))
    for row, scene in enumerate(SCENES.values()):
        suffix = formats[row % len(formats)]
        path = (
            _unnamed(len(items), suffix)
            if row % 2
            else PurePosixPath("scenes", f"{scene.name}.{suffix}")
        )
        items.append(Item(path, scene.name, True, seed, 0))
    return items


def write_collection(
    folder: str | Path, *, variants: int = 3, seed: int = 0, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Write every kind, `variants` times, and every scene below `folder`; return the files.

    Files of the same names are replaced, others are left alone. Raises `SoundseekError` for
    arguments out of range (see `plan_collection`) and where `folder` cannot be written.
    """
    items = plan_collection(variants=variants, seed=seed, formats=formats)
    root = Path(folder)
    written: list[Path] = []
    for item in items:
        target = root / item.path
        _write(target, item)
        written.append(target)
    return written


def _check(variants: int, seed: int, formats: Sequence[str]) -> None:
    if variants < 1:
        raise SoundseekError(
            f"a collection needs at least one variant of each kind, not {variants}",
            remedy="ask for variants=1 or more",
        )
    if seed < 0:
        raise SoundseekError(
            f"the seed must not be negative: {seed}", remedy="give 0 or a positive whole number"
        )
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise SoundseekError(
            f"a collection cannot be written as {', '.join(map(repr, unknown)) or 'nothing'}",
            remedy=f"choose one or more of {', '.join(FORMATS)}",
        )


def _unnamed(number: int, suffix: str) -> PurePosixPath:
    return PurePosixPath(_UNNAMED_FOLDER, f"rec_{number + 1:04d}.{suffix}")


def _write(target: Path, item: Item) -> None:
    import soundfile

    sound = (
        render_scene(item.name, seed=item.seed)
        if item.is_scene
        else render(item.name, seed=item.seed, variant=item.variant)
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # In blocks: libsndfile's Vorbis encoder needs stack in proportion to one write.
        with soundfile.SoundFile(target, "w", RATE, 1) as file:
            for start in range(0, len(sound), _BLOCK):
                file.write(sound[start : start + _BLOCK])
    except (OSError, soundfile.LibsndfileError) as error:
        raise SoundseekError(
            f"cannot write the sample sound {target}: {error}",
            remedy="choose a folder that you may write to, with some room on the disk",
        ) from error
