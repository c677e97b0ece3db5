"""Bundles that stand side by side in a table."""

from __future__ import annotations

from collections.abc import Sequence

from soundseek import load_bundle
from soundseek.bundle.runtime import Bundle


def open_models(names: Sequence[str], *, threads: int | None = None) -> dict[str, Bundle]:
    """Heading → bundle, for names or folders; without any the embedded one.

    The heading is the model's name, with its fingerprint where two have the same name.
    """
    bundles = [load_bundle(name, threads=threads) for name in names or [None]]
    all_names = [bundle.name for bundle in bundles]
    return {
        bundle.name
        if all_names.count(bundle.name) == 1
        else f"{bundle.name} {bundle.fingerprint[:8]}": bundle
        for bundle in bundles
    }
