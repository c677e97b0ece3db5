"""A Hugging Face tokenizers file of a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from soundseek.errors import BundleError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def open_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer in the file at `path`; `BundleError` if it cannot be read."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    # The tokenizers package raises bare Exception for a file that it cannot read.
    except Exception as error:
        raise BundleError(f"cannot read {path}: {error}") from error
