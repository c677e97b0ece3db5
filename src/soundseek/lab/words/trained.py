"""A trained text tower, ready to read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from soundseek.errors import DataError
from soundseek.lab.distilled.build import TextBatcher
from soundseek.lab.distilled.heads import TextHead
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.text_encoders.transformer import TextTransformer
from soundseek.lab.words.network import WordsNetwork, build_network
from soundseek.lab.words.recipe import WordsRecipe

_AT_ONCE = 256


@dataclass(frozen=True)
class Words:
    """A text tower in eval mode. `network` is what `soundseek.lab.onnx_export.text_onnx` takes."""

    network: WordsNetwork
    tokenizer_json: str
    recipe: WordsRecipe
    step: int

    @property
    def encoder(self) -> TextTransformer:
        return self.network.encoder

    @property
    def head(self) -> TextHead:
        return self.network.head

    @property
    def max_tokens(self) -> int:
        return self.encoder.max_tokens

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Texts → float32 `[n, dimension]`, L2-normalised."""
        return encode(self.network, TextBatcher(self.tokenizer_json, self.max_tokens), texts)


@torch.no_grad()
def encode(network: WordsNetwork, batcher: TextBatcher, texts: list[str]) -> NDArray[np.float32]:
    """Texts → float32 `[n, dimension]` by a network in eval mode; sorted to waste no padding."""
    device = network.head.projection.weight.device
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    result = np.empty((len(texts), network.head.projection.out_features), np.float32)
    for start in range(0, len(order), _AT_ONCE):
        chosen = order[start : start + _AT_ONCE]
        ids, mask = batcher([texts[i] for i in chosen])
        result[chosen] = network(ids.to(device), mask.to(device)).cpu().numpy()
    return result


def load_words(run_folder: Path) -> Words:
    """The averaged text tower of a run of the system `words`, finished or not.

    Raises `DataError` when the folder holds no such run, or no checkpoint yet.
    """
    run = RunFolder(run_folder)
    remedy = f"train a text tower first: soundseek train soundseek/words --out {run_folder}"
    if not run.exists():
        raise DataError(f"no run in {run_folder}, where the text tower should be", remedy=remedy)
    document = run.document()
    if document["system"] != "words":
        raise DataError(
            f"{run_folder} holds a run of the system {document['system']}, not of words",
            remedy="name the folder of a text tower as `words` in the recipe, or train one: "
            "soundseek train soundseek/words",
        )
    saved = run.saved()
    if saved is None:
        raise DataError(
            f"{run_folder} has no checkpoint yet",
            remedy=f"train further: soundseek train {document['name']} --out {run_folder}",
        )
    recipe = WordsRecipe.model_validate(document)
    dimension = len(saved["average"]["head.projection.bias"])
    network = build_network(recipe.network, saved["tokenizer_json"], dimension, recipe.seed)
    network.load_state_dict(saved["average"])
    return Words(network.eval(), saved["tokenizer_json"], recipe, saved["step"])
