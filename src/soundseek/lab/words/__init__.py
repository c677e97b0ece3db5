"""The text tower of the embedded model: a small transformer, distilled from a sentence encoder."""
