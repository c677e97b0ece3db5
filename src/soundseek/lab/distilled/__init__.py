"""The embedded model: small networks taught by a sound teacher, a text teacher and captions."""
