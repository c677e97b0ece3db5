"""Cnn14_DecisionLevelMax against its description written out step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.lab.audio_encoders import build_audio_encoder, encoder_class, load
from soundseek.lab.audio_encoders.panns_decision import Cnn14DecisionLevelMax, framewise
from support.checkpoint_layouts import shapes
from support.lively_weights import enlivened

pytestmark = pytest.mark.lab

NAME = "panns_cnn14_decision_level_max"


@pytest.fixture(scope="module")
def encoder() -> Any:
    torch.manual_seed(5)
    options = {**encoder_class(NAME).TINY, "classes": 9}
    return enlivened(build_audio_encoder(NAME, options))  # type: ignore[type-var]


def log_mels(batch: int, frames: int) -> torch.Tensor:
    return torch.randn(batch, frames, 64, generator=torch.Generator().manual_seed(3))


def by_hand(feature_map: torch.Tensor, state: dict[str, torch.Tensor]) -> torch.Tensor:
    """Step probabilities `[steps, classes]` of one item's last map `[channels, steps, bands]`."""
    over_time = feature_map.mean(2).T
    found = []
    for step in range(len(over_time)):
        near = [over_time[i] for i in (step - 1, step, step + 1) if 0 <= i < len(over_time)]
        # A mean of three wherever the step is: beyond the ends there is silence.
        heard = torch.stack(near).amax(0) + torch.stack(near).sum(0) / 3
        hidden = (state["head.fc1.weight"] @ heard + state["head.fc1.bias"]).clamp(min=0)
        logits = state["head.fc_audioset.weight"] @ hidden + state["head.fc_audioset.bias"]
        found.append(1 / (1 + (-logits).exp()))
    return torch.stack(found)


@torch.no_grad()
@settings(deadline=None, max_examples=15)
@given(lengths=st.lists(st.integers(32, 200), min_size=1, max_size=3), more=st.integers(0, 70))
def test_the_network_is_what_is_written(encoder: Any, lengths: list[int], more: int) -> None:
    features = log_mels(len(lengths), max(lengths) + more)
    encoding = encoder(features, torch.tensor(lengths))
    for item, frames in enumerate(lengths):
        steps = frames // 32
        feature_map = encoder(features[item : item + 1, :frames]).feature_map[0]
        expected = by_hand(feature_map, encoder.state_dict())
        found = encoding.step_logits[item, :steps].sigmoid()
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        clipwise = encoding.probabilities[item]
        torch.testing.assert_close(clipwise, expected.amax(0), rtol=1e-4, atol=1e-5)


def test_what_lies_behind_the_end_is_never_the_maximum(encoder: Any) -> None:
    """A class that silence has and no step: masked steps must not speak for the clip."""
    with torch.no_grad():
        encoding = encoder(log_mels(1, 96), torch.tensor([32]))
    assert encoding.mask.tolist() == [[True, False, False]]
    assert encoding.logits.equal(encoding.step_logits[:, 0])
    assert bool((encoding.step_logits[:, 2] > encoding.step_logits[:, 0]).any())


def test_the_public_network_has_upstreams_keys() -> None:
    with torch.device("meta"):
        state = Cnn14DecisionLevelMax().state_dict()
    found = {key.removeprefix("head."): tuple(value.shape) for key, value in state.items()}
    # The layout of Cnn14's file, which this network's has too, with its widths.
    recorded = {key for key in shapes("panns_cnn14") if "_extractor." not in key}
    assert {key for key in found if "num_batches" not in key} == {
        key for key in recorded if "num_batches" not in key
    }
    assert found["fc_audioset.weight"] == (527, 2048)
    assert found["conv_block6.conv2.weight"] == (2048, 2048, 3, 3)


def test_a_public_file_is_loaded_strictly(encoder: Any, tmp_path: Path) -> None:
    state = {key.removeprefix("head."): value for key, value in encoder.state_dict().items()}
    tables = {"logmel_extractor.melW": torch.zeros(513, 64)}
    torch.save({"iteration": 1, "model": state | tables}, tmp_path / "a.pth")
    loaded: Any = load(NAME, checkpoint=tmp_path / "a.pth")
    features = log_mels(1, 70)
    with torch.no_grad():
        torch.testing.assert_close(loaded(features).step_logits, encoder(features).step_logits)
    headless: Any = load(NAME, checkpoint=tmp_path / "a.pth", options={"classes": None})
    assert headless(features).step_logits is None
    del state["fc1.bias"]
    torch.save({"model": state}, tmp_path / "b.pth")
    with pytest.raises(DataError, match=r"fc1\.bias"):
        load(NAME, checkpoint=tmp_path / "b.pth")


def test_frames_repeat_their_step_and_the_last_one_goes_on() -> None:
    steps = torch.tensor([[[0.1, 0.9], [0.2, 0.8]]])
    assert framewise(steps, 2, 7)[0, :, 0].tolist() == steps[0, [0, 0, 1, 1, 1, 1, 1], 0].tolist()
    assert framewise(steps, 32, 70)[0, :, 1].tolist() == (
        [steps[0, 0, 1].item()] * 32 + [steps[0, 1, 1].item()] * 38
    )
    assert framewise(steps, 4, 3).shape == (1, 3, 2)
