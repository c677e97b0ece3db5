"""Captioners: small models that write a sentence from the window vectors a bundle makes."""
