"""The similarities of anything that can be scored, on its own clips or on others."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from soundseek.errors import AudioError, DataError
from soundseek.lab.similarities import Similarities, is_similarities, similarities

if TYPE_CHECKING:
    from soundseek.lab.data.manifest import Clip

Say = Callable[[str], None]
_RUN, _BUNDLE, _ARCHIVE = "recipe.json", "bundle.json", ".soundseek"


@dataclass(frozen=True)
class OtherClips:
    """Clips that a system was not made for: a corpus in the folder `root`, or a manifest."""

    corpus: str | None = None
    root: str | None = None
    manifest: str | None = None
    split: str | None = None

    def source(self) -> Any:
        """As a recipe names them. Raises `RecipeError` for what cannot be."""
        from soundseek.lab.recipe_files import validated
        from soundseek.lab.retrieval.recipe import Source

        given = {key: value for key, value in vars(self).items() if value is not None}
        return validated(Source, given, "the clips to score on")


def scored(
    place: Path, *, part: str = "test", other: OtherClips | None = None, say: Say = print
) -> Similarities:
    """The similarities of a run, an ensemble, a folder of similarities, or a bundle (a folder or a
    .soundseek file, or an installed model's name).

    `part`: of its own clips, `test` or `validation`, unless there are `other` ones. What keeps its
    similarities needs neither model nor sound. Raises `DataError` for what has no clips of its own
    (bundles), or no model for others (ensembles, folders of similarities).
    """
    if (place / _RUN).is_file() and other is not None:
        return _run_on(place, other, say)
    if is_similarities(place) or (place / "similarities").is_dir() or (place / _RUN).is_file():
        if other is not None:
            raise DataError(
                f"{place} keeps scores alone, no model that could hear other clips",
                remedy="score the members of an ensemble on them, each by itself",
            )
        from soundseek.lab.ensembling.sources import member_similarities

        with tempfile.TemporaryDirectory() as work:
            return member_similarities(place, part, work=Path(work), say=say)
    if place.exists() and not _is_bundle(place):
        raise DataError(
            f"{place} is no run, no ensemble, no folder of similarities and no model",
            remedy="name the folder that `soundseek train` or `soundseek ensemble` wrote",
        )
    if other is None:
        raise DataError(
            f"{place} is a model, which has no clips of its own"
            if place.exists()
            else f"there is nothing at {place}, and a model of that name has no clips of its own",
            remedy="name clips: --corpus NAME --root DIR, or --manifest FILE",
        )
    return _bundle_on(place, other, say)


def _is_bundle(place: Path) -> bool:
    return (place / _BUNDLE).is_file() or place.suffix == _ARCHIVE


def _run_on(run: Path, other: OtherClips, say: Say) -> Similarities:
    from soundseek.lab.choices import chosen, placed
    from soundseek.lab.run_folder import RunFolder
    from soundseek.lab.systems import SYSTEMS, check_ranking

    document = RunFolder(run).document()
    check_ranking(document, f"the run in {run}")
    name = str(document["system"])
    heard = chosen(SYSTEMS, name, "system").similarities
    if heard is None:
        raise DataError(
            f"{run} is a run of the system {name}, which has no model for other clips",
            remedy="score its members, each a folder in there",
        )
    found: Similarities = placed(heard)(run, say, [other.source()])
    return found


def _bundle_on(place: Path, other: OtherClips, say: Say) -> Similarities:
    from soundseek.audio.decode import read
    from soundseek.bundle.load import load_bundle
    from soundseek.lab.retrieval.clips import test_clips
    from soundseek.lab.retrieval.recipe import Data

    bundle = load_bundle(place if place.exists() else str(place))
    clips = test_clips(Data(test=(other.source(),)), say)
    say(f"listening to {len(clips)} clips with {bundle.name}")
    kept: list[Clip] = []
    vectors = []
    for clip in clips:
        try:
            sound, _ = read(
                clip.path,
                bundle.sample_rate,
                start_s=clip.start_s,
                duration_s=clip.duration_s or None,
            )
            vectors.append(bundle.encode_audio(sound, bundle.sample_rate)[0])
        except AudioError as error:
            say(f"left out {clip.id}: {error.message}")
            continue
        kept.append(clip)
    if not kept:
        raise DataError(f"none of {len(clips)} clips can be read", remedy="check their paths")
    texts = sorted({caption for clip in kept for caption in clip.captions})
    return similarities(kept, np.stack(vectors), texts, bundle.encode_text(texts))
