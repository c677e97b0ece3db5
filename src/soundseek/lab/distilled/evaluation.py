"""Similarities of a run of the embedded model on its validation or test clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from soundseek.errors import DataError
from soundseek.lab.data.manifest import read_clips_jsonl, select
from soundseek.lab.data.waveforms import open_store
from soundseek.lab.distilled.build import TextBatcher, window_and_hop
from soundseek.lab.distilled.trained import load_trained
from soundseek.lab.distilled.validation import embed_store
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.scorecard import RETRIEVAL
from soundseek.lab.similarities import Similarities, similarities

_AT_ONCE = 256


@torch.no_grad()
def run_similarities(
    run_folder: Path,
    say: Callable[[str], None],
    sources: Sequence[object] | None = None,
    *,
    part: str = "test",
) -> Similarities:
    """Every caption of a part (`test` or `validation`) against every clip of it, as the scorecard
    of the bundle chooses them.

    Raises `DataError` for other `sources`, and where there are no clips.
    """
    if sources is not None:
        raise DataError(
            "the embedded model is scored on its own data folder",
            remedy="export the run and score the bundle on other clips",
        )
    recipe, model, saved = load_trained(run_folder)
    clips = select(read_clips_jsonl(Path(recipe.data.folder) / "clips.jsonl"), **RETRIEVAL[part])
    if not clips:
        raise DataError(f"{recipe.data.folder} has no {part} clips")
    spec = model.audio_encoder.frontend.spec
    say(f"decoding {len(clips)} clips of {part} (once)")
    store = open_store(clips, spec.sample_rate, RunFolder(run_folder).cache)
    clips, store = store.without_failures(clips)
    audio = embed_store(model, store, window_and_hop(recipe, spec)[0])
    texts = sorted({caption for clip in clips for caption in clip.captions})
    batcher = TextBatcher(saved["tokenizer_json"], recipe.text.max_tokens)
    vectors = [
        model.encode_text(*batcher(texts[start : start + _AT_ONCE]))
        for start in range(0, len(texts), _AT_ONCE)
    ]
    return similarities(clips, audio, texts, torch.cat(vectors).numpy())
