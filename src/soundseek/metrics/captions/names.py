"""What metrics of captions are called in print."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CAPTION_METRIC_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{f"bleu_{k}": f"BLEU-{k}" for k in range(1, 5)},
        "meteor": "METEOR",
        "rouge_l": "ROUGE-L",
        "cider": "CIDEr",
        "spice": "SPICE",
        "spider": "SPIDEr",
        "spider_fl": "SPIDEr-FL",
        "fense": "FENSE",
        "vocabulary": "vocabulary",
    }
)
"""By the names of figures, in the order of tables."""


def printed_name(metric: str) -> str:
    """The name in print; that of another figure is its own."""
    return CAPTION_METRIC_NAMES.get(metric, metric)
