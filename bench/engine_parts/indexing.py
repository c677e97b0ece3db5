"""Indexing a folder with several sound networks by turns."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from embedding import CLIP_S, write_files
from engine_parts.running import Kind, OpenVino
from engine_parts.timing import Took, took
from soundseek.bundle.network import Network, usable_processors
from soundseek.bundle.runtime import Bundle
from soundseek.library import Library


def index_by_turns(
    bundle: Bundle, kinds: Sequence[Kind], extension: str, files: int, rounds: int
) -> tuple[float, dict[str, Took]]:
    """Seconds of sound, and what `Library.index` took with each; the first round warms up."""
    taken: dict[str, list[tuple[float, float]]] = {kind.name: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as name:
        sounds = Path(name) / "sounds"
        write_files(sounds, extension, files)
        for turn in range(rounds + 1):
            for kind in kinds:
                library = Path(name) / f"{turn} {kind.name}".replace(" ", "-")
                seconds = _indexed(bundle, kind, sounds, library, files)
                if turn:
                    taken[kind.name].append(seconds)
    return files * CLIP_S, {name: took(values) for name, values in taken.items()}


def _indexed(
    bundle: Bundle, kind: Kind, sounds: Path, library: Path, files: int
) -> tuple[float, float]:
    def network(path: Path, inputs: Any, dimension: int, threads: int) -> Any:
        if kind.engine == "openvino":
            # The indexer's readers share the network: as many streams as there are processors.
            processors = usable_processors()
            return OpenVino(kind.path, processors, kind.precision, streams=processors)
        return Network(kind.path, inputs, dimension, threads)

    with (
        mock.patch("soundseek.bundle.sounds.Network", network),
        Library.open(library, bundle=bundle.folder, create=True) as opened,
    ):
        wall, processor = time.perf_counter(), time.process_time()
        report = opened.index([sounds])
        spent = time.perf_counter() - wall, time.process_time() - processor
    if report.added != files:
        raise SystemExit(f"{report.added} of {files} files were indexed with {kind.name}")
    return spent
