"""Similarities of a run of the embedded model on its validation or test clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from soundseek.errors import DataError
from soundseek.lab.data.manifest import read_clips_jsonl, select
from soundseek.lab.data.waveforms import open_store
from soundseek.lab.distilled.build import window_and_hop
from soundseek.lab.distilled.prepare import cache_of
from soundseek.lab.distilled.trained import load_trained
from soundseek.lab.distilled.validation import embed_store
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.scorecard import RETRIEVAL
from soundseek.lab.similarities import Similarities, similarities
from soundseek.lab.words.trained import load_words


def run_similarities(
    run_folder: Path,
    say: Callable[[str], None],
    sources: Sequence[object] | None = None,
    *,
    part: str = "test",
) -> Similarities:
    """Every caption of a part (`test` or `validation`) against every clip of it, as the scorecard
    of the bundle chooses them.

    Raises `DataError` for other `sources`, where there are no clips, and without the run of the
    text tower.
    """
    if sources is not None:
        raise DataError(
            "the embedded model is scored on its own data folder",
            remedy="export the run and score the bundle on other clips",
        )
    recipe, tower, _ = load_trained(run_folder)
    words = load_words(Path(recipe.words))
    clips = select(read_clips_jsonl(Path(recipe.data.folder) / "clips.jsonl"), **RETRIEVAL[part])
    if not clips:
        raise DataError(f"{recipe.data.folder} has no {part} clips")
    spec = tower.encoder.frontend.spec
    say(f"decoding {len(clips)} clips of {part} (once)")
    store = open_store(clips, spec.sample_rate, cache_of(recipe, RunFolder(run_folder)))
    clips, store = store.without_failures(clips)
    audio = embed_store(tower, store, window_and_hop(recipe, spec)[0])
    texts = sorted({caption for clip in clips for caption in clip.captions})
    return similarities(clips, audio, texts, words.encode(texts))
