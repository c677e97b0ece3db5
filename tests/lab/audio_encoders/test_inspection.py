from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import numpy as np
import torch
from safetensors.torch import save_file

from soundseek.errors import DataError
from soundseek.lab.audio_encoders import AUDIO_ENCODERS
from soundseek.lab.audio_encoders.cau import Cnn10Gru
from soundseek.lab.audio_encoders.inspection import Inspection, inspect_checkpoint
from support.checkpoint_layouts import (
    CLAP,
    hollow,
    passt_shapes,
    resnet38_shapes,
    shapes,
    spec,
)

pytestmark = pytest.mark.lab

CNN14 = shapes("panns_cnn14")
CNN14_16K = {
    **CNN14,
    "logmel_extractor.melW": (257, 64),
    "spectrogram_extractor.stft.conv_real.weight": (257, 1, 512),
    "spectrogram_extractor.stft.conv_imag.weight": (257, 1, 512),
}
SURREY = shapes("surrey_ase_cnn10") | {"text_enc.bert_encoder.pooler.dense.weight": (768, 768)}
SURREY_RESNET38 = {
    f"audio_enc.audio_enc.{key}": shape
    for key, shape in resnet38_shapes().items()
    if not key.startswith("fc")
} | {"audio_linear.0.weight": (2048, 2048), "audio_linear.2.weight": (1024, 2048)}
BEATS = spec("beats_small")
UNTUNED = {k: shape for k, shape in shapes("beats_small").items() if not k.startswith("predictor")}
VGGISH = {k: shape for k, shape in shapes("vggish").items() if not k.startswith("pproc.")}
PCA = {"pca_eigen_vectors": (128, 128), "pca_means": (128,)}

# What is in the file; then kind, architecture, wrapper and some of the sizes.
KNOWN: dict[str, tuple[Any, str, str | None, str, dict[str, Any]]] = {
    "cnn10": (
        {"iteration": 1, "model": hollow(shapes("panns_cnn10")), "sampler": {}},
        "PANNs Cnn10",
        "panns_cnn10",
        "model",
        {"channels": (64, 128, 256, 512), "classes": 527, "fine_tuned": False},
    ),
    "cnn14": (
        {"model": hollow(CNN14)},
        "PANNs Cnn14",
        "panns_cnn14",
        "model",
        {"channels": (64, 128, 256, 512, 1024, 2048), "frontend": "panns_32k"},
    ),
    "cnn14_16k": (
        {"model": hollow(CNN14_16K)},
        "PANNs Cnn14_16k",
        "panns_cnn14_16k",
        "model",
        {"frontend": "panns_16k", "classes": 527},
    ),
    "resnet38": (
        {"model": hollow(resnet38_shapes())},
        "PANNs ResNet38",
        "panns_resnet38",
        "model",
        {"blocks": (3, 4, 6, 3), "frontend": "panns_32k"},
    ),
    "surrey": (
        {"model": hollow(SURREY), "optimizer": hollow(SURREY), "epoch": 3},
        "Surrey ASE Cnn10",
        "surrey_cnn10",
        "model",
        {"embed_dim": 1024, "text_encoder": True, "fine_tuned": True},
    ),
    "surrey_resnet38": (
        {"model": hollow(SURREY_RESNET38)},
        "Surrey ASE ResNet38",
        "surrey_resnet38",
        "model",
        {"embed_dim": 1024, "text_encoder": False},
    ),
    "cau": (
        {"model": Cnn10Gru(**Cnn10Gru.TINY).state_dict()},
        "CAU Cnn10 and GRU",
        "cau_cnn10_gru",
        "model",
        {"channels": (4, 8, 8, 16), "hidden": 6},
    ),
    "beats_fine_tuned": (
        {"cfg": BEATS["cfg"], "model": hollow(shapes("beats_small")), "label_dict": {0: "/m/0"}},
        "BEATs",
        "beats",
        "model",
        {"depth": 2, "width": 96, "heads": 6, "embed_dim": 64, "classes": 13, "fine_tuned": True},
    ),
    "beats": (
        {"cfg": BEATS["cfg"], "model": hollow(UNTUNED)},
        "BEATs",
        "beats",
        "model",
        {"classes": None, "fine_tuned": False},
    ),
    "passt_s": (
        hollow(passt_shapes(12)),
        "PaSST-S",
        "passt_s",
        "",
        {"depth": 12, "width": 96, "grid": (12, 99), "stride": 10, "classes": 13},
    ),
    "passt_l": (
        {"model": hollow(passt_shapes(7, "net."))},
        "PaSST-L",
        "passt_l",
        "model",
        {"depth": 7, "prefix": "net."},
    ),
    "vggish": (
        hollow(VGGISH),
        "VGGish",
        "vggish",
        "",
        {"channels": (64, 128, 256, 256, 512, 512), "embed_dim": 128, "pca": False},
    ),
    "vggish_and_pca": (hollow(shapes("vggish")), "VGGish", "vggish", "", {"pca": True}),
    "pca": (hollow(PCA), "VGGish PCA", None, "", {"embed_dim": 128}),
    "crnn": (
        (hollow(shapes("crnn_baseline")), {"state": {}}),
        "DCASE 2022 baseline CRNN",
        "dcase2022_crnn",
        "[0]",
        {"channels": (32, 128, 128, 128, 128), "hidden": 150, "embed_dim": 300, "words": 50},
    ),
    "clap": (
        hollow(CLAP),
        "CLAP (Hugging Face)",
        "clap",
        "",
        {"embed_dim": 512, "stages": 2, "words": 50265},
    ),
    "unknown": ({"conv.weight": torch.zeros(3, 2), "b": torch.zeros(2)}, "unknown", None, "", {}),
}
EXPECTED_NOTES = {
    "cnn14": "panns_cnn14_decision_level_max",
    "pca": "no network",
    "clap": "load the folder",
}


def inspected(folder: Path, document: Any) -> Inspection:
    # A name that says nothing, and then one that lies.
    torch.save(document, folder / "Cnn14_mAP=0.431.pth")
    return inspect_checkpoint(folder / "Cnn14_mAP=0.431.pth")


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_checkpoint_is_known_by_what_is_in_it(name: str, tmp_path: Path) -> None:
    document, kind, architecture, wrapper, sizes = KNOWN[name]
    found = inspected(tmp_path, document)
    assert (found.kind, found.architecture, found.wrapper) == (kind, architecture, wrapper)
    assert architecture is None or architecture in AUDIO_ENCODERS
    assert {key: found.sizes[key] for key in sizes} == sizes
    note = EXPECTED_NOTES.get(name)
    assert [note in warning for warning in found.warnings] == ([] if note is None else [True])


def test_numbers_are_counted_without_statistics_tables_and_aliases(tmp_path: Path) -> None:
    with torch.device("meta"):
        from soundseek.lab.audio_encoders.panns import Cnn14

        expected = sum(parameter.numel() for parameter in Cnn14().parameters())
    found = inspected(tmp_path, {"model": hollow(CNN14)})
    assert found.parameters == expected
    assert found.tensors == len(CNN14)
    shared = torch.zeros(7)
    assert inspected(tmp_path, {"a": shared, "b": shared, "c": shared[:3]}).parameters == 7 + 3


def test_an_unknown_one_shows_its_first_keys(tmp_path: Path) -> None:
    found = inspected(tmp_path, {f"layer{n}.weight": torch.zeros(1) for n in range(20)})
    assert found.keys == tuple(f"layer{n}.weight" for n in range(8))
    assert found.tensors == 20


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"logmel_extractor.melW": None}, "no front-end tables"),
        ({"logmel_extractor.melW": torch.zeros(129, 64)}, "129 frequencies"),
        ({"fc_audioset.weight": None}, "classes=None"),
        ({"fc_transfer.weight": torch.zeros(10, 512)}, "1 keys are not of this kind: fc_transfer"),
        ({"fc1.bias": torch.zeros(512).half()}, "1 tensors are float16: fc1.bias"),
        ({"fc1.bias": torch.full((512,), float("nan"))}, "1 tensors hold NaN or infinity: fc1"),
    ],
)
def test_what_is_odd_is_noted(
    change: dict[str, torch.Tensor | None], note: str, tmp_path: Path
) -> None:
    state = hollow(shapes("panns_cnn10")) | change
    found = inspected(tmp_path, {key: value for key, value in state.items() if value is not None})
    assert found.architecture == "panns_cnn10"
    assert len(found.warnings) == 1
    assert note in found.warnings[0]


@pytest.mark.parametrize("depth", [1, 2, 13])
def test_a_passt_of_another_depth_is_noted(depth: int, tmp_path: Path) -> None:
    found = inspected(tmp_path, hollow(passt_shapes(depth)))
    assert (found.kind, found.architecture, found.sizes["depth"]) == ("PaSST", "passt_s", depth)
    assert f"{depth} blocks" in found.warnings[0]


def test_beats_without_its_settings_is_noted(tmp_path: Path) -> None:
    assert "no cfg" in inspected(tmp_path, {"model": hollow(UNTUNED)}).warnings[0]


def test_other_networks_of_panns_are_not_taken_for_these(tmp_path: Path) -> None:
    bottleneck = resnet38_shapes() | {"resnet.layer1.0.conv3.weight": (256, 64, 1, 1)}
    assert inspected(tmp_path, hollow(bottleneck)).architecture is None
    five = {key: shape for key, shape in CNN14.items() if not key.startswith("conv_block6")}
    found = inspected(tmp_path, hollow(five))
    assert (found.kind, found.architecture) == ("PANNs Cnn12", None)
    one_each = {k: s for k, s in shapes("panns_cnn10").items() if "conv2" not in k}
    assert inspected(tmp_path, hollow(one_each)).kind == "unknown"


def test_safetensors_are_read_too(tmp_path: Path) -> None:
    state = {key: torch.zeros(()).expand(shape).clone() for key, shape in passt_shapes(7).items()}
    save_file(state, tmp_path / "a.safetensors")
    assert inspect_checkpoint(tmp_path / "a.safetensors").architecture == "passt_l"


def test_the_public_pca_file_holds_numpy_arrays(tmp_path: Path) -> None:
    arrays = {key: np.zeros(shape, np.float32) for key, shape in PCA.items()}
    found = inspected(tmp_path, arrays)
    assert (found.kind, found.tensors, found.parameters) == ("VGGish PCA", 2, 128 * 129)
    with pytest.raises(DataError, match="more than tensors"):
        inspected(tmp_path, {"weights": np.zeros(3)})


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no checkpoint at"):
        inspect_checkpoint(tmp_path / "a.pth")
