"""Figures of a model on the validation set, shared out among the processes."""

from __future__ import annotations

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from soundseek.lab.devices import reduced
from soundseek.lab.objectives.objective import Objective
from soundseek.lab.retrieval.batches import BatchMaker
from soundseek.lab.retrieval.embedding import Share, embed_clips, embed_texts
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.outputs import pair_batch
from soundseek.lab.retrieval.prepare import Part
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.similarities import similarities
from soundseek.lab.training.pairs import PairOrder

_Floats = NDArray[np.float32]


@torch.no_grad()
def validation_figures(
    recipe: RetrievalRecipe,
    model: RetrievalModel,
    objective: Objective,
    part: Part,
    maker: BatchMaker,
    fabric: Fabric,
) -> dict[str, float]:
    """Retrieval figures, and the `loss` where the schedule watches it: the same in every process.

    `maker`: of the part, for the loss.
    """
    model.eval()
    objective.eval()
    share = Share(fabric.global_rank, fabric.world_size)
    texts = sorted({caption for clip in part.clips for caption in clip.captions})
    with fabric.autocast():
        audio = embed_clips(
            model, part.store, max_s=recipe.audio.max_s, events=part.events, share=share
        )
        text = embed_texts(model, texts, share=share)
        found = similarities(part.clips, _summed(audio, fabric), texts, _summed(text, fabric))
        figures = {name: metric.value for name, metric in found.metrics().items()}
        schedule = recipe.optimiser.schedule
        if schedule.kind == "plateau" and schedule.monitor == "loss":
            figures["loss"] = _loss(recipe, model, objective, part, maker)
    return figures


def _summed(vectors: _Floats, fabric: Fabric) -> _Floats:
    """Every process has its own rows, and zeros for those of the others."""
    if fabric.world_size == 1:
        return vectors
    n, width = (int(reduced(fabric, torch.tensor(size), "max")) for size in vectors.shape)
    own = vectors if len(vectors) else np.zeros((n, width), np.float32)
    result: _Floats = reduced(fabric, torch.from_numpy(own), "sum").cpu().numpy()
    return result


def _loss(
    recipe: RetrievalRecipe,
    model: RetrievalModel,
    objective: Objective,
    part: Part,
    maker: BatchMaker,
) -> float:
    """Mean over batches of the objective, without augmentation."""
    order = PairOrder(part.clips, each=True, batch=recipe.optimiser.batch, seed=recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    losses = []
    for pairs in order.epoch(0):
        batch = maker.plain(pairs)
        events = None if part.events is None else torch.from_numpy(part.events[batch.clips])
        seen = pair_batch(model, batch, recipe.augment.audio, generator, events=events)
        losses.append(float(objective.total(objective(seen))))
    return sum(losses) / len(losses)
