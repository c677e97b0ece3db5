from __future__ import annotations

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError, RecipeError
from soundseek.lab.audio_encoders import (
    AUDIO_ENCODERS,
    build_audio_encoder,
    encoder_class,
    load,
)
from soundseek.lab.audio_encoders.mobile import MobileNet

pytestmark = pytest.mark.lab


def test_options_reach_the_encoder() -> None:
    built = build_audio_encoder("mobile", {"multiplier": 0.5, "width": 48})
    assert isinstance(built, MobileNet)
    assert built.width == 48
    assert built.body[-1][0].weight.shape == (48, 80, 1, 1)


def test_an_unknown_name_is_refused_with_the_choices() -> None:
    with pytest.raises(RecipeError, match=r"no audio encoder .*'mobil'\n.*did you mean 'mobile'\?"):
        build_audio_encoder("mobil")


def test_an_unknown_option_is_refused_with_the_choices() -> None:
    with pytest.raises(RecipeError, match=r"no option of mobile .*'widht'\n.*'width'\?"):
        build_audio_encoder("mobile", {"widht": 3})


@pytest.mark.parametrize("name", sorted(AUDIO_ENCODERS))
def test_every_row_names_a_class_with_a_tiny_variant(name: str) -> None:
    kind = encoder_class(name)
    assert kind.TINY
    assert callable(kind.from_checkpoint)


def test_a_missing_checkpoint_is_an_error() -> None:
    with pytest.raises(DataError, match=r"no checkpoint at nowhere\.pth"):
        load("mobile", checkpoint="nowhere.pth")
