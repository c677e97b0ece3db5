"""Joining systems that are trained: their similarities or embeddings, in blocks, without torch."""
