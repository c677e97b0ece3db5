from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError
from soundseek.lab.audio_encoders import build_audio_encoder, load
from soundseek.lab.audio_encoders.yamnet import YamnetEncoder
from soundseek.lab.teachers.yamnet import load_yamnet, patches_of

pytestmark = pytest.mark.lab
DATA = os.environ.get("SOUNDSEEK_DATA")


@pytest.fixture(scope="module")
def encoder() -> YamnetEncoder:
    torch.manual_seed(1)
    network = YamnetEncoder(multiplier=0.1)
    with torch.no_grad():  # statistics of what it hears, or every output would be near zero
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
        network(network.features(torch.randn(8, 40_000) * 0.1))
    return network.eval()


def test_one_step_a_patch_and_a_last_one_from_a_quarter_on(encoder: YamnetEncoder) -> None:
    for frames, steps in ((1, 1), (96, 1), (96 + 23, 1), (96 + 24, 2), (200, 2)):
        encoding = encoder(torch.zeros(1, frames, 64))
        assert encoding.sequence.shape == (1, steps, encoder.width)
        assert encoding.mask.all()


@torch.no_grad()
@pytest.mark.parametrize("samples", [100, 4_000, 16_000, 23_456, 47_000])
def test_a_clip_is_the_same_alone_and_padded(encoder: YamnetEncoder, samples: int) -> None:
    waveform = torch.randn(1, samples, generator=torch.Generator().manual_seed(samples)) * 0.1
    alone = encoder(encoder.features(waveform))
    longer = torch.zeros(2, 64_000)
    longer[0, :samples] = waveform
    longer[1] = 0.3
    lengths = torch.tensor([encoder.frames(samples), encoder.frames(64_000)])
    together = encoder(encoder.features(longer), lengths)
    if samples >= 400:
        torch.testing.assert_close(together.pooled[0], alone.pooled[0], rtol=1e-5, atol=1e-6)
    assert together.mask[0].sum() == alone.mask[0].sum()


def test_random_weights_learn(encoder: YamnetEncoder) -> None:
    network = build_audio_encoder("yamnet", {"multiplier": 0.1})
    network(network.features(torch.randn(2, 20_000))).pooled.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_its_own_state_is_read_again(encoder: YamnetEncoder, tmp_path: Path) -> None:
    torch.save(encoder.state_dict(), tmp_path / "own.pt")
    again = load("yamnet", checkpoint=tmp_path / "own.pt", options={"multiplier": 0.1})
    features = torch.randn(1, 96, 64)
    torch.testing.assert_close(again(features).pooled, encoder(features).pooled)


def test_the_public_file_has_one_width(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="full width"):
        load("yamnet", checkpoint=tmp_path / "yamnet.tflite", options={"multiplier": 0.5})


@torch.no_grad()
def test_every_patch_is_classified_and_the_clip_has_their_mean() -> None:
    torch.manual_seed(4)
    network = YamnetEncoder(multiplier=0.1, classes=7).eval()
    features = torch.randn(2, 250, 64)
    together = network(features, torch.tensor([250, 100]))
    assert together.step_logits.shape == (2, 3, 7)
    weight, bias = network.classifier.weight, network.classifier.bias
    for item, frames, steps in ((0, 250, 3), (1, 100, 1)):
        alone = network(features[item : item + 1, :frames])
        scores = (together.sequence[item, :steps] @ weight.T + bias).sigmoid()
        torch.testing.assert_close(together.step_logits[item, :steps].sigmoid(), scores)
        torch.testing.assert_close(together.probabilities[item], scores.mean(0))
        torch.testing.assert_close(alone.step_logits[0], together.step_logits[item, :steps])
        torch.testing.assert_close(alone.logits[0], together.logits[item])


def test_its_own_classes_are_read_again(tmp_path: Path) -> None:
    network = YamnetEncoder(multiplier=0.05, classes=5).eval()
    torch.save(network.state_dict(), tmp_path / "own.pt")
    again = load("yamnet", checkpoint=tmp_path / "own.pt", options={"multiplier": 0.05})
    features = torch.randn(1, 96, 64)
    torch.testing.assert_close(again(features).logits, network(features).logits)
    rebuilt = YamnetEncoder(**again.resources())  # type: ignore[attr-defined]
    assert rebuilt.state_dict().keys() == network.state_dict().keys()


@pytest.mark.skipif(DATA is None, reason="SOUNDSEEK_DATA is not set: no YAMNet weights")
@torch.no_grad()
def test_the_public_weights_give_the_teachers_vectors() -> None:
    pytest.importorskip("ai_edge_litert")
    path = Path(str(DATA)) / "weights" / "yamnet" / "yamnet.tflite"
    encoder = load("yamnet", checkpoint=path)
    features = encoder.features(torch.randn(2, 50_000) * 0.1)
    sequence = encoder(features).sequence
    patches = patches_of(features)
    expected, classes = load_yamnet(path)(patches.flatten(0, 1))
    count = patches.shape[1]
    torch.testing.assert_close(
        sequence[:, :count], expected.reshape(2, count, -1), rtol=1e-5, atol=1e-4
    )
    heard = encoder(features).step_logits
    assert heard is not None
    torch.testing.assert_close(
        heard[:, :count], classes.reshape(2, count, -1), rtol=1e-5, atol=1e-3
    )
    assert load("yamnet", checkpoint=path, options={"classes": None})(features).logits is None
    with pytest.raises(DataError, match="has 521 classes, not 5"):
        load("yamnet", checkpoint=path, options={"classes": 5})
