from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError
from soundseek.lab.audio_encoders import build_audio_encoder, encoder_class, load
from soundseek.lab.audio_encoders.surrey import text_projection
from soundseek.lab.checkpoints import read_checkpoint
from support.lively_weights import enlivened

pytestmark = pytest.mark.lab

NAMES = ("surrey_cnn10", "surrey_cnn14", "surrey_resnet38")
FEATURES = torch.randn(2, 70, 64, generator=torch.Generator().manual_seed(0))


def tiny(name: str, **options: Any) -> Any:
    return enlivened(build_audio_encoder(name, {**encoder_class(name).TINY, **options}))  # type: ignore[type-var]


def whole_model(encoder: Any) -> dict[str, torch.Tensor]:
    """A checkpoint of Surrey's with this encoder in it."""
    state = {}
    for key, value in encoder.state_dict().items():
        head = key.startswith("head.layers.")
        prefix = "audio_linear." if head else "audio_enc.audio_enc."
        state[prefix + key.removeprefix("head.layers.")] = value
    generator = torch.Generator().manual_seed(1)
    for key, shape in {
        "0.weight": (8, 5),
        "0.bias": (8,),
        "2.weight": (6, 8),
        "2.bias": (6,),
    }.items():
        state[f"text_linear.{key}"] = torch.randn(shape, generator=generator)
    state["text_enc.bert_encoder.embeddings.word_embeddings.weight"] = torch.zeros(9, 5)
    state["audio_enc.audio_enc.spectrogram_extractor.stft.conv_real.weight"] = torch.zeros(1)
    state["audio_enc.audio_enc.logmel_extractor.melW"] = torch.zeros(513, 64)
    return state


def saved(folder: Path, state: dict[str, torch.Tensor]) -> Path:
    torch.save({"model": state, "optimizer": state, "epoch": 3}, folder / "a.pth")
    return folder / "a.pth"


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_a_whole_model_is_loaded_with_its_projection(name: str, tmp_path: Path) -> None:
    original = tiny(name, projection=(10, 6))
    state = whole_model(original)
    if name == "surrey_cnn14":  # upstream's owns one that nothing reads
        state["audio_enc.audio_enc.fc1.weight"] = torch.zeros(4, 16)
        state["audio_enc.audio_enc.fc1.bias"] = torch.zeros(4)
    loaded: Any = load(name, checkpoint=saved(tmp_path, state))
    torch.testing.assert_close(loaded(FEATURES).embedding, original(FEATURES).embedding)
    torch.testing.assert_close(loaded(FEATURES).pooled, original(FEATURES).pooled)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_weights_of_panns_start_a_training(name: str, tmp_path: Path) -> None:
    panns = tiny(name.replace("surrey", "panns"))
    state = {key.removeprefix("head."): value for key, value in panns.state_dict().items()}
    state["logmel_extractor.melW"] = torch.zeros(513, 64)
    loaded: Any = load(name, checkpoint=saved(tmp_path, state))
    encoding = loaded(FEATURES)
    assert encoding.embedding is None
    same = torch.equal(encoding.pooled, panns(FEATURES).pooled)
    assert same == (name != "surrey_cnn14")  # whose last block pools where PANNs' does not


@torch.no_grad()
def test_the_projection_can_be_left_out(tmp_path: Path) -> None:
    path = saved(tmp_path, whole_model(tiny("surrey_cnn10", projection=(10, 6))))
    loaded: Any = load("surrey_cnn10", checkpoint=path, options={"projection": None})
    assert loaded(FEATURES).embedding is None


@pytest.mark.parametrize(
    "missing", ["audio_linear.2.bias", "audio_linear.0.weight", "audio_linear.2.weight"]
)
def test_half_a_projection_is_refused(missing: str, tmp_path: Path) -> None:
    state = whole_model(tiny("surrey_cnn10", projection=(10, 6)))
    del state[missing]
    key = missing.replace("audio_linear", "head.layers")
    with pytest.raises(DataError, match=rf"1 keys are missing: {key}"):
        load("surrey_cnn10", checkpoint=saved(tmp_path, state))


@pytest.mark.parametrize(
    ("stranger", "named"),
    [("audio_enc.audio_enc.gate", "gate"), ("decoder.weight", "decoder.weight")],
)
def test_strange_keys_are_refused(stranger: str, named: str, tmp_path: Path) -> None:
    state = whole_model(tiny("surrey_resnet38")) | {stranger: torch.zeros(1)}
    with pytest.raises(DataError, match=f"1 keys are unexpected: {named}"):
        load("surrey_resnet38", checkpoint=saved(tmp_path, state))


@torch.no_grad()
def test_the_text_projection(tmp_path: Path) -> None:
    state = whole_model(tiny("surrey_cnn10"))
    path = saved(tmp_path, state)
    vector = torch.randn(3, 5, generator=torch.Generator().manual_seed(4))
    hidden = (vector @ state["text_linear.0.weight"].T + state["text_linear.0.bias"]).relu()
    expected = hidden @ state["text_linear.2.weight"].T + state["text_linear.2.bias"]
    torch.testing.assert_close(text_projection(read_checkpoint(path))(vector), expected)
    del state["text_linear.0.weight"]
    with pytest.raises(DataError, match=r"text_linear.*\n.*1 keys are missing: 0\.weight"):
        text_projection(read_checkpoint(saved(tmp_path, state)))
