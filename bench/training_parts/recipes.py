"""The systems that are measured: recipes of full or small size, with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soundseek.lab.recipe_files import merged, validated
from soundseek.lab.retrieval.recipe import RetrievalRecipe

# Two scales: what a processor can train, and what the reports trained.
SYSTEMS: dict[str, Mapping[str, Any]] = {
    "tiny": {
        "audio": {
            "encoder": "panns_cnn10",
            "options": {"channels": [4, 8, 8, 16], "classes": None, "dropout": 0.0},
        },
        "text": {
            "encoder": "small_transformer",
            "options": {"width": 32, "layers": 1, "heads": 2, "vocabulary": 500, "dropout": 0.0},
        },
        "space": {"dimension": 32},
    },
    "narrow Cnn10 + small transformer": {
        "audio": {
            "encoder": "panns_cnn10",
            "options": {"channels": [16, 32, 64, 128], "classes": None, "dropout": 0.0},
        },
        "text": {
            "encoder": "small_transformer",
            "options": {"width": 256, "layers": 3, "heads": 4, "dropout": 0.0},
        },
        "space": {"dimension": 256},
    },
    "Cnn14 + BERT-base": {
        "audio": {"encoder": "panns_cnn14", "options": {"classes": None, "dropout": 0.0}},
        "text": {"encoder": "bert", "model": "bert-base-uncased", "options": {"dropout": 0.0}},
    },
    "PaSST-S + RoBERTa-large": {
        "audio": {"encoder": "passt_s", "options": {"classes": None}},
        "text": {"encoder": "roberta", "model": "roberta-large", "options": {"dropout": 0.0}},
    },
}
OF_THE_LARGE = ("PaSST-S + RoBERTa-large",)
# Pairs of how many seconds: on a processor, on a GPU.
SIZES: dict[str, dict[str, tuple[int, float]]] = {
    "tiny": {"cpu": (8, 1.0), "cuda": (8, 1.0)},
    "narrow Cnn10 + small transformer": {"cpu": (16, 5.0), "cuda": (32, 10.0)},
    "Cnn14 + BERT-base": {"cpu": (4, 5.0), "cuda": (32, 10.0)},
    "PaSST-S + RoBERTa-large": {"cpu": (2, 5.0), "cuda": (16, 9.9)},
}
_BASE: dict[str, Any] = {
    "name": "bench",
    "description": "for benchmarks",
    "system": "retrieval",
    "data": {"captions": "one"},
    "audio": {"weights": "random", "projection": []},
    "text": {"weights": "random", "max_tokens": 32, "projection": []},
    "objective": [{"term": "nt_xent", "options": {"temperature": 0.07}}],
    "optimiser": {"kind": "adam", "learning_rate": 1e-4, "epochs": 1000},
    "run": {"loggers": [], "log_steps": 10**6},
}


def recipe_of(system: str, **differences: Any) -> RetrievalRecipe:
    """The recipe of a system, with `differences` merged over it."""
    document = merged(merged(_BASE, SYSTEMS[system]), differences)
    return validated(RetrievalRecipe, document, system)
