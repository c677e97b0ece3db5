"""From a recipe to the networks that it names."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from soundseek.audio.frontends import FrontEndSpec
from soundseek.lab.audio_encoders.mobile import MobileNet
from soundseek.lab.distilled.heads import AnchoredHead
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.distilled.tower import AudioTower
from soundseek.lab.teachers.yamnet import PATCH_FRAMES
from soundseek.text.normalise import normalise_caption


def build_tower(recipe: Recipe, anchors: Tensor) -> AudioTower:
    """An audio tower with random weights drawn from the recipe's seed.

    `anchors` `[classes, dimension]` decide the dimension of the shared space.
    """
    torch.manual_seed(recipe.seed)
    encoder = MobileNet(multiplier=recipe.audio.multiplier, width=recipe.audio.width)
    head = AnchoredHead(
        recipe.audio.width, anchors, hidden=recipe.audio.head_hidden, dropout=recipe.audio.dropout
    )
    return AudioTower(encoder, head)


def window_and_hop(recipe: Recipe, spec: FrontEndSpec) -> tuple[int, int]:
    """Samples of a window and from one to the next: whole patches, and what the last frame of the
    last patch reaches beyond them."""
    hop = recipe.audio.window_patches * PATCH_FRAMES * spec.hop_samples
    return hop + spec.window_samples - spec.hop_samples, hop


@dataclass
class TextBatcher:
    """Texts → token ids and bool mask, padded to the longest, normalised as the bundle will."""

    tokenizer_json: str
    max_tokens: int

    def __post_init__(self) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(self.tokenizer_json)
        self._tokenizer.enable_truncation(self.max_tokens)
        self._tokenizer.enable_padding(pad_id=0)

    def __call__(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        encoded = self._tokenizer.encode_batch([normalise_caption(text) for text in texts])
        ids = torch.tensor([one.ids for one in encoded])
        return ids, torch.tensor([one.attention_mask for one in encoded]).bool()
