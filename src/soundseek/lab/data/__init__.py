"""Corpora: one manifest for all of them, decoded once, and the texts that come without sound."""
