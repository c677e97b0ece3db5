from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from soundseek.lab.audio_encoders.mobile import PATCH_FRAMES, MobileNet

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def encoder() -> MobileNet:
    """In eval mode, with batch statistics of what it hears: a fresh network's outputs hardly
    depend on its input, and would hide every mistake."""
    torch.manual_seed(1)
    network = MobileNet(multiplier=0.25, width=32)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # a plain average
    with torch.no_grad():
        network(features(12, 2), torch.full((12,), 2 * PATCH_FRAMES))
    return network.eval()


def features(n: int, patches: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(n)
    return torch.randn(n, patches * PATCH_FRAMES, 64, generator=generator) * 2 - 4


@torch.no_grad()
@pytest.mark.parametrize("patches", [1, 3, 4])
def test_one_step_a_patch(encoder: MobileNet, patches: int) -> None:
    encoding = encoder(features(2, patches), torch.full((2,), patches * PATCH_FRAMES))
    assert encoding.sequence.shape == (2, patches, 32)
    assert encoding.mask.shape == (2, patches)
    assert encoding.mask.all()
    assert encoding.pooled.shape == (2, encoder.width)
    torch.testing.assert_close(encoding.pooled, encoding.sequence.mean(1))


@torch.no_grad()
@pytest.mark.parametrize(
    ("length", "valid"),
    [(0, 1), (1, 1), (96, 1), (119, 1), (120, 2), (192, 2), (215, 2), (216, 3), (288, 3)],
)
def test_a_patch_counts_when_a_quarter_of_it_sounds(
    encoder: MobileNet, length: int, valid: int
) -> None:
    encoding = encoder(features(1, 3), torch.tensor([length]))
    assert encoding.mask.tolist() == [[True] * valid + [False] * (3 - valid)]
    torch.testing.assert_close(encoding.pooled, encoding.sequence[:, :valid].mean(1))


@torch.no_grad()
def test_a_window_has_one_vector_alone_and_in_a_batch(encoder: MobileNet) -> None:
    windows, lengths = features(4, 3), torch.tensor([288, 50, 130, 288])
    together = encoder(windows, lengths).pooled
    alone = torch.cat([encoder(windows[i : i + 1], lengths[i : i + 1]).pooled for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    other = encoder(torch.cat([windows[:1], features(3, 3)]), torch.full((4,), 288)).pooled
    torch.testing.assert_close(other[0], together[0], rtol=0, atol=1e-5)


@torch.no_grad()
def test_vectors_depend_on_the_sound(encoder: MobileNet) -> None:
    """Without this, a constant network would pass the tests above."""
    vectors = encoder(features(4, 3), torch.full((4,), 288)).pooled
    assert torch.pdist(vectors).min() > 0.1


@torch.no_grad()
def test_a_sound_far_beyond_the_length_does_not_reach_the_vector(encoder: MobileNet) -> None:
    window, loud = features(1, 8), features(1, 8)
    loud[:, 7 * PATCH_FRAMES :] += 5.0
    lengths = torch.tensor([PATCH_FRAMES])
    quiet_end, loud_end = encoder(window, lengths), encoder(loud, lengths)
    assert (quiet_end.sequence[:, 7] - loud_end.sequence[:, 7]).abs().max() > 0.1
    torch.testing.assert_close(quiet_end.pooled, loud_end.pooled, rtol=0, atol=1e-5)


@torch.no_grad()
def test_features_are_those_of_the_front_end(encoder: MobileNet) -> None:
    samples = PATCH_FRAMES * 160 + 240
    assert encoder.features(torch.zeros(2, samples)).shape == (2, PATCH_FRAMES, 64)
    assert encoder.sample_rate == 16_000
    assert encoder.seconds_per_step == pytest.approx(0.96)


def test_the_layout_is_that_of_the_paper() -> None:
    """Howard et al. 2019, table 1 (MobileNetV3-Large): kernels, widths, strides of its blocks."""
    convs = [m for m in MobileNet().body.modules() if isinstance(m, nn.Conv2d)]
    depthwise = [conv for conv in convs if conv.groups > 1]
    hidden = [16, 64, 72, 72, 120, 120, 240, 200, 184, 184, 480, 672, 672, 960, 960]
    assert [conv.out_channels for conv in depthwise] == hidden
    assert [conv.kernel_size[0] for conv in depthwise] == [3] * 3 + [5] * 3 + [3] * 6 + [5] * 3
    halving = [i for i, conv in enumerate(depthwise, start=1) if conv.stride[0] == 2]
    assert halving == [2, 4, 7, 13]
    assert convs[0].stride == (2, 2)
    outputs = [convs[convs.index(conv) + 1].out_channels for conv in depthwise]
    assert outputs == [16, 24, 24, 40, 40, 40, 80, 80, 80, 80, 112, 112, 160, 160, 160]
    assert convs[-1].out_channels == 960
