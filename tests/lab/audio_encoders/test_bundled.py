from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

import soundseek
from soundseek.errors import BundleError, DataError
from soundseek.lab.audio_encoders import build_audio_encoder, load
from soundseek.lab.audio_encoders.bundled import BundledModel
from support.retrieval import noise

pytestmark = pytest.mark.lab


def test_steps_are_the_windows_of_the_bundle() -> None:
    encoder = build_audio_encoder("bundle")
    assert isinstance(encoder, BundledModel)
    bundle = soundseek.load_bundle()
    long, short = noise(7.0, encoder.sample_rate), noise(1.3, encoder.sample_rate, 1)
    batch = np.zeros((2, len(long)), np.float32)
    batch[0], batch[1, : len(short)] = long, short
    lengths = torch.tensor([len(long), len(short)])
    heard = encoder(encoder.features(torch.from_numpy(batch)), lengths)
    assert heard.mask.tolist() == [[True, True, True], [True, False, False]]
    for row, sound in enumerate((long, short)):
        (windows,) = bundle.encode_audio([sound], encoder.sample_rate, windows=True)
        np.testing.assert_allclose(heard.sequence[row][heard.mask[row]], windows, atol=1e-6)
        (whole,) = bundle.encode_audio([sound], encoder.sample_rate)
        np.testing.assert_allclose(heard.pooled[row], whole, atol=1e-6)
    assert encoder.seconds_per_step == bundle.hop_s
    assert encoder.width == bundle.dimension


def test_it_is_loaded_by_name_or_folder_and_known_again() -> None:
    bundle = soundseek.load_bundle()
    by_name = load("bundle", checkpoint=bundle.name)
    by_folder = load("bundle", checkpoint=bundle.folder)
    assert isinstance(by_name, BundledModel)
    assert isinstance(by_folder, BundledModel)
    assert by_name.resources() == {"model": bundle.name, "fingerprint": bundle.fingerprint}
    again = BundledModel(**json.loads(json.dumps(by_folder.resources())))
    assert again.bundle.fingerprint == bundle.fingerprint
    with pytest.raises(BundleError, match=r"not the one that this run learnt with\n.*train again"):
        BundledModel(**{**by_name.resources(), "fingerprint": "0" * 64})


def test_no_bundle_is_told(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no model bundle called 'nowhere'"):
        load("bundle", checkpoint="nowhere")
    weights = tmp_path / "weights.pt"
    torch.save({"a": torch.zeros(1)}, weights)
    from soundseek.lab.checkpoints import read_checkpoint

    with pytest.raises(DataError, match=r"is a file of weights\n.*name a bundle"):
        BundledModel.from_checkpoint(read_checkpoint(weights))
