"""A captioning recipe made small enough to run in seconds on a CPU: the same code, other sizes."""

from __future__ import annotations

from pathlib import Path

from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.recipe_files import validated
from soundseek.lab.retrieval.synthetic import write_synthetic_corpus
from soundseek.lab.retrieval.tiny import tiny_data, tiny_encoder, tiny_name, tiny_run

_TEXTS = "texts.csv"


def tiny(recipe: CaptioningRecipe, folder: Path) -> CaptioningRecipe:
    """The recipe with a tiny encoder and network of random weights, on synthetic sounds in
    `folder`, for two steps.

    Everything else stays: the kind of encoder, layers averaged, objective, decoding. A pretrained
    network and its tokenizer give way to a random one whose tokens are learnt.
    """
    document = recipe.model_dump()
    root = write_synthetic_corpus(folder)
    document["data"] = tiny_data(document["data"], str(root))
    document["audio"] |= tiny_encoder(document["audio"])
    document["network"] |= {
        "weights": "random",
        "model": None,
        "encoder_layers": min(2, document["network"]["encoder_layers"]),
        "decoder_layers": 1,
        "width": 16,
        "heads": 2,
        "ffn": 16,
    }
    document["text"] |= {"tokenizer": None, "vocabulary": 300}
    document["decoding"] |= {"max_tokens": 12, "words": None}
    document["optimiser"] |= {"batch": 6, "epochs": 1, "max_steps": 2}
    document["run"] |= tiny_run(folder)
    if document["texts"] is not None:
        document["data"]["folder"] = str(root)
        document["texts"] |= {"files": [_texts(root)], "joined": 2, "most": 4}
    document["name"] = tiny_name(recipe.name)
    return validated(CaptioningRecipe, document, recipe.name)


def _texts(root: Path) -> str:
    lines = ("a dog barks", "rain falls on a roof", "a door slams", "people talk in a room")
    (root / _TEXTS).write_text("caption\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return _TEXTS
