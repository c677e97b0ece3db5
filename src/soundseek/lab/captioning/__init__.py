"""Captioning systems: a sound in, a sentence out."""
