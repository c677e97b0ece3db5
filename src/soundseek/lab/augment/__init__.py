"""Augmentation: parameters are drawn from an explicit generator, then applied; two functions."""
