"""What systems answer to queries about sounds of which nothing is known but the files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from soundseek.audio.decode import probe
from soundseek.errors import AudioError, DataError
from soundseek.lab.ensembling.scales import Scale, scaled

if TYPE_CHECKING:
    from soundseek.lab.data.manifest import Clip

_Floats = NDArray[np.float32]
Say = Callable[[str], None]
_RUN: Final = "recipe.json"


def answers(
    systems: Sequence[Path],
    sounds: Sequence[Path],
    queries: Sequence[str],
    *,
    scale: Scale = "none",
    say: Say = print,
) -> _Floats:
    """Scores `[queries, sounds]`: the mean over the systems, each brought to `scale` first.

    A system is a run of a retrieval system, or a model (a bundle's folder, file or name). Raises
    `DataError` for sounds that cannot be read, all of them named: a challenge wants every file
    ranked.
    """
    clips = _clips(sounds)
    total = np.zeros((len(queries), len(sounds)), np.float32)
    for system in systems:
        say(f"{system} listens to {len(sounds)} sounds")
        hear = _run_scores if (system / _RUN).is_file() else _model_scores
        total += scaled(hear(system, clips, queries, say), scale)
    mean: _Floats = total / np.float32(len(systems))
    return mean


def _clips(sounds: Sequence[Path]) -> list[Clip]:
    from soundseek.lab.data.manifest import Clip

    clips, problems = [], []
    for path in sounds:
        try:
            info = probe(path)
        except AudioError as error:
            problems.append(error.message)
            continue
        clips.append(
            Clip(
                id=str(path),
                path=str(path),
                duration_s=info.duration_s or 0.0,
                captions=(),
                source="files",
                split="test",
                licence="",
                group=str(path),
            )
        )
    _refuse(problems, len(sounds))
    return clips


def _run_scores(run: Path, clips: list[Clip], queries: Sequence[str], say: Say) -> _Floats:
    from soundseek.lab.retrieval.embedding import embed_clips, embed_texts
    from soundseek.lab.retrieval.evaluation import listening_device
    from soundseek.lab.retrieval.prepare import prepare_part
    from soundseek.lab.retrieval.trained import load_trained
    from soundseek.lab.run_folder import RunFolder
    from soundseek.lab.systems import check_ranking

    check_ranking(RunFolder(run).document(), f"the run in {run}")
    trained = load_trained(run)
    model = trained.model.to(listening_device(trained))
    with tempfile.TemporaryDirectory() as cache:
        part = prepare_part("sounds", clips, trained.recipe, model, Path(cache), say)
        _refuse(list(part.left_out.values()), len(clips))
        max_s = trained.recipe.audio.max_s
        audio = embed_clips(model, part.store, max_s=max_s, events=part.events)
        _refuse(list(part.left_out.values()), len(clips))
    scores: _Floats = embed_texts(model, queries) @ audio.T
    return scores


def _model_scores(place: Path, clips: list[Clip], queries: Sequence[str], say: Say) -> _Floats:
    from soundseek.bundle.load import load_bundle

    bundle = load_bundle(place if place.exists() else str(place))
    vectors, problems = [], []
    for clip in clips:
        try:
            vectors.append(bundle.encode_audio([clip.path])[0])
        except AudioError as error:
            problems.append(error.message)
    _refuse(problems, len(clips))
    scores: _Floats = bundle.encode_text(list(queries)) @ np.stack(vectors).T
    return scores


def _refuse(problems: Sequence[str], n: int) -> None:
    if problems:
        raise DataError(
            f"{len(problems)} of {n} sounds cannot be read:"
            + "".join(f"\n  - {problem}" for problem in problems),
            remedy="get these files again: every one of them is to be ranked",
        )
