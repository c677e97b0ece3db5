"""Re-ranking by the matching head: what two embeddings rank first is listened to again, with the
caption at hand."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from soundseek.errors import DataError
from soundseek.lab.encodings import Tokens
from soundseek.lab.ensembling.candidates import best_weight, first_places, reordered
from soundseek.lab.objectives.matching import Matching
from soundseek.lab.retrieval.build import build_objective
from soundseek.lab.retrieval.evaluation import cache_of, chosen_part, listening_device
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.prepare import Part, Say
from soundseek.lab.retrieval.recipe import Source
from soundseek.lab.retrieval.report import similarities_of
from soundseek.lab.retrieval.sequences import SoundSequences, hear_sequences
from soundseek.lab.retrieval.trained import Trained, load_trained
from soundseek.lab.similarities import Similarities

_PAIRS_AT_ONCE = 64


@dataclass(frozen=True)
class Reranked:
    """`by_embeddings`: before; `found`: with the first `k` clips of every query in a new order;
    `weight`: of the matching head in it."""

    by_embeddings: Similarities
    found: Similarities
    k: int
    weight: float


def rerank_run(
    run_folder: Path,
    k: int,
    say: Say,
    sources: Sequence[Source] | None = None,
    *,
    part: str = "test",
    weight: float | None = 1.0,
) -> Reranked:
    """Rank a part by the embeddings of a run's model, then the first `k` clips of each query by its
    matching head.

    `weight`: how much the head counts beside the similarity (`reordered`); None: what is best by
    mAP@10 on the run's validation clips. Cost: `k` readings of the text encoder a query, and every
    clip heard once more. Raises `DataError` for a run without a term `matching`.
    """
    trained = load_trained(run_folder)
    head = matching_head(trained, str(run_folder))
    device = listening_device(trained)
    trained.model.to(device)
    head.to(device)
    cache = cache_of(trained, run_folder)

    def listened(prepared: Part) -> tuple[Similarities, NDArray[np.intp], NDArray[np.float32]]:
        found = similarities_of(trained.model, trained.recipe, prepared)
        places = first_places(found.scores, k)
        say(f"listening again: {places.size:,} pairs of a query and a clip")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            sequences = heard_in(trained.model, prepared, Path(folder), trained.recipe.audio.max_s)
            return found, places, match_logits(trained.model, head, found, places, sequences)

    if weight is None:
        validation = chosen_part(trained, run_folder, say, None, part="validation")
        weight, value = best_weight(*listened(validation))
        say(f"weight of the matching head: {weight:.1f} (mAP@10 {value:.4f} on validation)")
    prepared = chosen_part(trained, run_folder, say, sources, part=part)
    found, places, logits = listened(prepared)
    return Reranked(found, reordered(found, places, logits, weight), places.shape[1], weight)


def heard_in(model: RetrievalModel, part: Part, folder: Path, max_s: float) -> SoundSequences:
    """What the model's audio encoder hears in every clip of a part, kept in a file of `folder`."""
    tower = model.audio
    model.eval()

    def hear(waveforms: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        device = model.device
        encoding = tower.encode(*tower.features(waveforms.to(device), samples.to(device)))
        return encoding.sequence, encoding.mask

    return hear_sequences(
        hear,
        part.store,
        folder / "sequences.f16",
        width=tower.audio_encoder.width,
        least=tower.least_samples,
        max_s=max_s,
    )


def matching_head(trained: Trained, where: str) -> Matching:
    """The trained term `matching`, in eval mode. Raises `DataError` where a run has none."""
    objective = build_objective(trained.recipe, trained.model)
    objective.load_state_dict(trained.objective)
    for term in objective.terms.values():
        if isinstance(term, Matching):
            return term.eval()
    terms = ", ".join(objective.terms)
    raise DataError(
        f"{where} has no matching head to rank by: its objective is {terms}",
        remedy="re-rank a run whose recipe has the term matching, such as samsung2024/system6",
    )


@torch.no_grad()
def match_logits(
    model: RetrievalModel,
    head: Matching,
    found: Similarities,
    places: NDArray[np.intp],
    sequences: SoundSequences,
) -> NDArray[np.float32]:
    """Logits `[queries, k]` that query i belongs to the clips at `places[i]`."""
    texts = sorted(set(found.queries), key=lambda text: (len(text), text))
    number = {text: i for i, text in enumerate(texts)}
    # Pairs of captions of about one length go together: less is padding.
    rank = np.array([number[query] for query in found.queries])
    queries = np.repeat(np.argsort(rank, kind="stable"), places.shape[1])
    columns = np.tile(np.arange(places.shape[1]), len(places))
    logits = np.zeros(places.shape, np.float32)
    for start in range(0, len(queries), _PAIRS_AT_ONCE):
        some = queries[start : start + _PAIRS_AT_ONCE]
        across = columns[start : start + _PAIRS_AT_ONCE]
        tokens = _tokens(model, [found.queries[i] for i in some])
        sounds, mask = sequences.batch([int(i) for i in places[some, across]])
        values = head.match_logits(tokens, sounds.to(model.device), mask.to(model.device))
        logits[some, across] = values.float().cpu().numpy()
    return logits


def _tokens(model: RetrievalModel, texts: Sequence[str]) -> Tokens:
    """Of each text once, then repeated."""
    distinct = list(dict.fromkeys(texts))
    row = {text: i for i, text in enumerate(distinct)}
    tokens = model.text.tokenise(distinct)
    chosen = [row[text] for text in texts]
    return Tokens(tokens.ids[chosen], tokens.mask[chosen])
