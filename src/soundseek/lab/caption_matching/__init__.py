"""Texts compared with captions that a captioner wrote: by vectors, or by the words they share.

Import from the modules: `generated` (reading captions), `comparison` (what compares), `vectors`,
`words`, `cider`, `bm25`, `scores` (from captions to clips).
"""
