"""Retrieval systems of the literature: two encoders, an objective, and what trains them."""
