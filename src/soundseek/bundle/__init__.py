"""Model bundles: the contract between the lab, which writes them, and the library, which runs them.

Import from the modules: `schema` (bundle.json), `write`, `archive`, `load`, `catalogue`,
`runtime` (the class `Bundle`).
"""
