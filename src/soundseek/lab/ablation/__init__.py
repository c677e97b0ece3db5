"""Ablations: a system, and what it is without one or the other of its parts."""
