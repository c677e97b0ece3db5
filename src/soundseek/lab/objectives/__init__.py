"""Training objectives: scalars over embeddings, masks and teacher outputs."""
