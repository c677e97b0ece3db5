from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from soundseek.lab.audio_encoders.recurrent import through_time

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
@torch.no_grad()
def test_an_item_is_read_as_if_it_came_alone_with_and_without_packing(
    kind: type[nn.GRU] | type[nn.LSTM], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    layer = kind(5, 3, batch_first=True, bidirectional=True)
    steps, lengths = torch.randn(4, 9, 5), torch.tensor([9, 1, 6, 2])
    packed = through_time(layer, steps, lengths)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    exported = through_time(layer, steps, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = layer(steps[row : row + 1, :length])[0][0]
        for found in (packed, exported):
            torch.testing.assert_close(found[row, :length], alone, rtol=0, atol=1e-6)
            assert not found[row, length:].any()
    torch.testing.assert_close(through_time(layer, steps, None), layer(steps)[0])
