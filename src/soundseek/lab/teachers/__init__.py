"""Frozen networks that teach the embedded model: YAMNet for sound, all-MiniLM-L6-v2 for text."""
