from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from soundseek.audio.frontends import PRESETS
from soundseek.audio.spec import FrontEndSpec
from soundseek.errors import AudioError


@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip(name: str) -> None:
    spec = PRESETS[name]
    values = json.loads(json.dumps(spec.to_dict()))
    assert set(values) == {field.name for field in fields(FrontEndSpec)}
    assert FrontEndSpec.from_dict(values) == spec


def test_the_presets_are_all_there_and_different() -> None:
    names = "panns_32k panns_16k dcase2022_44k vggish_16k yamnet_16k beats_16k passt_32k"
    assert list(PRESETS) == names.split()
    assert len(set(PRESETS.values())) == len(PRESETS)


def test_every_field_is_documented() -> None:
    assert FrontEndSpec.__doc__ is not None
    for field in fields(FrontEndSpec):
        assert f"        {field.name}: " in FrontEndSpec.__doc__


def test_unknown_and_missing_fields_are_all_listed() -> None:
    values = PRESETS["panns_32k"].to_dict() | {"n_mels": 64, "hop": 3}
    del values["bands"], values["floor"]
    with pytest.raises(AudioError, match=r"unknown: hop, n_mels; missing: bands, floor\n.*f_max"):
        FrontEndSpec.from_dict(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_rate": "32000"}, "sample_rate is '32000', not an integer"),
        ({"hop_samples": 1.5}, "hop_samples is 1.5, not an integer"),
        ({"bands": True}, "bands is True, not an integer"),
        ({"f_min": None}, "f_min is None, not a number"),
        ({"mean": float("nan")}, "mean is nan"),
        ({"remove_frame_mean": 1}, "remove_frame_mean is 1, not true or false"),
        ({"window": "hamming"}, "window is 'hamming', not one of hann, hann_symmetric, povey"),
        ({"mel_scale": "bark"}, "mel_scale is 'bark', not one of slaney, htk, kaldi"),
        ({"hop_samples": 0}, "hop_samples is 0, must be above 0"),
        ({"floor": 0.0}, "floor is 0.0, must be above 0"),
        ({"scale": 0.0}, "scale is 0"),
        ({"fft_size": 1000}, "fft_size is 1000, must be even and at least the window of 1024"),
        ({"fft_size": 1025}, "fft_size is 1025, must be even"),
        ({"f_max": 16_001.0}, "must lie in order within 0 to 16000 Hz"),
        ({"pre_emphasis": "clip"}, "pre_emphasis is clip with coefficient 0.0"),
        ({"pre_emphasis_coefficient": 0.9}, "pre_emphasis is none with coefficient 0.9"),
    ],
)
def test_wrong_values_say_which_and_why(change: dict[str, Any], message: str) -> None:
    with pytest.raises(AudioError) as caught:
        FrontEndSpec.from_dict(PRESETS["panns_32k"].to_dict() | change)
    assert message in str(caught.value)


def test_several_problems_are_told_at_once() -> None:
    with pytest.raises(AudioError, match=r"bands is 0.*floor is -1"):
        FrontEndSpec.from_dict(PRESETS["panns_32k"].to_dict() | {"bands": 0, "floor": -1.0})
