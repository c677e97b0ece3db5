"""Captions and queries as text."""

from __future__ import annotations

from soundseek.text.normalise import normalise_caption

__all__ = ["normalise_caption"]
