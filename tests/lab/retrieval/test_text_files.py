from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.bundle.schema import TEXT_FILE, TOKENIZER_FILE
from soundseek.bundle.texts import TextEncoder
from soundseek.errors import BundleError
from soundseek.lab.onnx_export import text_onnx
from soundseek.lab.retrieval.build import written_as
from soundseek.lab.retrieval.graphs import TextNetwork
from soundseek.lab.retrieval.recipe import Text
from soundseek.lab.retrieval.text_files import TextFiles, text_files
from soundseek.lab.retrieval.towers import TextTower, projection
from soundseek.lab.text_encoders import create_text_encoder, text_encoder_class
from support.lively_weights import enlivened

pytestmark = pytest.mark.lab

LEARNT = ["rain on a roof", "a Dog barks, while birds sing", "wind in the trees"] * 2
ASKED = [
    "rain",
    "A dog barks in the rain",
    "birds, wind & trees!",
    "the quark sings on a roof",
    "wind " * 20,
]
ENCODERS: dict[str, dict[str, Any]] = {
    "word_vectors": {},
    "word_vectors in lower case": {"options": {"case": "lower"}},
    "word_vectors written": {"lowercase": True},
    "bert": {},
    "bert written": {"lowercase": True, "strip_punctuation": True},
    "roberta": {},
    "sentence_transformer": {},
    "clap": {},
    "small_transformer": {},
}


def tower_of(name: str, settings: Mapping[str, Any]) -> tuple[TextTower, TextFiles]:
    """A tower of tiny random weights and what a bundle holds of it."""
    encoder = name.split()[0]
    options = {**text_encoder_class(encoder).TINY, **settings.get("options", {})}
    text = Text(encoder=encoder, weights="random", max_tokens=9, **{**settings, "options": options})
    torch.manual_seed(2)
    made = create_text_encoder(
        encoder, model=None, weights="random", texts=LEARNT, max_tokens=9, options=options
    )
    tower = TextTower(made, projected=projection(made.width, (), 8, 0.0), written=written_as(text))
    return enlivened(tower), text_files(made, text)


def runtime_of(folder: Path, files: TextFiles, graph: bytes = b"") -> TextEncoder:
    (folder / TOKENIZER_FILE).write_text(files.tokenizer_json, encoding="utf-8")
    (folder / TEXT_FILE).write_bytes(graph)
    manifest: Any = SimpleNamespace(text=files.section, dimension=8)
    return TextEncoder(folder, manifest, 1)


class Listening:
    """In the place of the network: notes what it is fed."""

    def run(self, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        self.feeds = feeds
        return np.zeros((len(feeds["input_ids"]), 8), np.float32)


@pytest.mark.parametrize("name", ENCODERS)
def test_the_runtime_reads_the_tokens_that_the_encoder_was_trained_on(
    name: str, tmp_path: Path
) -> None:
    tower, files = tower_of(name, ENCODERS[name])
    runtime = runtime_of(tmp_path, files)
    listening: Any = Listening()
    runtime.network = listening
    for asked in ASKED:
        runtime.encode(asked)
        fed = listening.feeds["input_ids"][0]
        if files.unknown_id is not None:
            fed = fed[fed != files.unknown_id]
        assert fed.tolist() == tower.tokenise([asked]).ids[0].tolist()
    runtime.encode(ASKED)
    mask = listening.feeds["attention_mask"].astype(bool)
    assert (listening.feeds["input_ids"][~mask] == files.pad_id).all()
    assert listening.feeds["input_ids"].max() < files.vocabulary


def test_words_without_a_vector_are_named(tmp_path: Path) -> None:
    _, files = tower_of("word_vectors", {})
    assert runtime_of(tmp_path, files).unknown_words("the quark, sings") == ["quark", "sings"]


def test_an_encoder_without_tokenizer_is_refused() -> None:
    class Mute:
        max_tokens = 4

        def resources(self) -> dict[str, Any]:
            return {}

    mute: Any = Mute()
    with pytest.raises(BundleError, match="Mute has no tokenizer"):
        text_files(mute, Text(encoder="bert"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
def test_the_runtime_gives_the_vectors_of_the_lab(name: str, tmp_path: Path) -> None:
    tower, files = tower_of(name, ENCODERS[name])
    model: Any = SimpleNamespace(text=tower)
    graph = text_onnx(
        TextNetwork(model, unknown_id=files.unknown_id),
        vocabulary=files.vocabulary,
        max_tokens=files.section.max_tokens,
        pad_id=files.pad_id,
    )
    found = runtime_of(tmp_path, files, graph).encode(ASKED)
    with torch.no_grad():
        expected = torch.nn.functional.normalize(tower.embed(tower.pooled(ASKED)), dim=-1)
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=2e-4)
