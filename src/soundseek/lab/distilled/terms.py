"""The terms of the embedded model's training, by name, from one batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.lab.distilled.tower import AudioOutput
from soundseek.lab.encodings import masked_mean
from soundseek.lab.objectives.contrastive import nt_xent, shared_groups
from soundseek.lab.objectives.distillation import cosine_distance, soft_label_divergence
from soundseek.lab.teachers.anchored import AnchoredTeacher
from soundseek.lab.teachers.yamnet import EMBEDDING_WIDTH, Yamnet, patches_of


@dataclass(frozen=True)
class Lesson:
    """What the sound teachers say of a batch, patch by patch and as a whole.

    `features` `[n, steps, 1024]` (log of 1 + YAMNet's embedding), `logits` `[n, steps, 521]`,
    `target` `[n, 384]`.
    """

    features: Tensor
    logits: Tensor
    target: Tensor


@torch.no_grad()
def lesson(yamnet: Yamnet, teacher: AnchoredTeacher, features: Tensor, mask: Tensor) -> Lesson:
    """Let the teachers hear log-mels `[n, frames, 64]`; `mask` `[n, steps]` tells what sounds."""
    patches = patches_of(features)
    with torch.autocast(features.device.type, dtype=torch.bfloat16):
        embedding, logits = yamnet(patches.flatten(0, 1))
    embedding = embedding.float().unflatten(0, patches.shape[:2])
    logits = logits.float().unflatten(0, patches.shape[:2])
    target = teacher(masked_mean(embedding, mask), masked_mean(logits.sigmoid(), mask))
    return Lesson(embedding.log1p(), logits, target)


class FeatureMatch(nn.Module):
    """Projects the student's steps onto YAMNet's embedding; used in training only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, EMBEDDING_WIDTH)

    def forward(self, sequence: Tensor) -> Tensor:
        return F.relu(self.projection(sequence))


def audio_terms(output: AudioOutput, taught: Lesson, matched: Tensor) -> dict[str, Tensor]:
    """Distillation from the sound teachers, window by window; `matched` `[n, steps, 1024]` are the
    student's steps as `FeatureMatch` projects them."""
    weights = output.encoding.mask.flatten().float()
    return {
        "teacher_embedding": cosine_distance(output.embedding, taught.target),
        "teacher_scores": soft_label_divergence(
            output.logits.flatten(0, 1), taught.logits.flatten(0, 1), weights
        ),
        "teacher_features": cosine_distance(
            matched.flatten(0, 1), taught.features.flatten(0, 1), weights
        ),
    }


def contrastive_term(audio: Tensor, text: Tensor, scale: Tensor, groups: Tensor) -> Tensor:
    """NT-Xent over the captioned items `[n, dimension]`; `groups` `[n, 2]`."""
    positives, ignored = shared_groups(groups)
    return nt_xent(audio, text, scale, positives, ignored)
