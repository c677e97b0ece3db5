from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.errors import DataError, RecipeError
from soundseek.lab.audio_encoders import build_audio_encoder, encoder_class
from soundseek.lab.audio_encoders.events import at_steps, step_probabilities
from support.lively_weights import enlivened

pytestmark = pytest.mark.lab

TAGGERS = {
    "panns_cnn14_decision_level_max": {"classes": 9},
    "yamnet": {"classes": 9},
    "beats": {"classes": 9, "padding": "whole_patches"},
}


def tagger(name: str) -> Any:
    torch.manual_seed(2)
    built: Any = build_audio_encoder(name, {**encoder_class(name).TINY, **TAGGERS[name]})
    return enlivened(built)


@pytest.mark.parametrize("name", sorted(TAGGERS))
def test_steps_have_probabilities_and_padding_has_none(name: str) -> None:
    network = tagger(name)
    bands = network.frontend.spec.bands
    features = torch.randn(2, 200, bands, generator=torch.Generator().manual_seed(1))
    heard, mask = step_probabilities(network, features, torch.tensor([200, 90]))
    assert heard.shape == (*mask.shape, 9)
    assert heard.dtype == torch.float32
    assert not heard.requires_grad
    assert not heard[~mask].any()
    assert bool((~mask).any())
    alone, shown = step_probabilities(network, features[1:, :90])
    assert bool(((alone > 0) & (alone < 1)).all())
    steps = int(mask[1].sum())
    assert shown.shape == (1, steps)
    torch.testing.assert_close(heard[1, :steps], alone[0], rtol=1e-4, atol=1e-5)


def test_an_encoder_without_classes_of_steps_is_refused() -> None:
    network = build_audio_encoder("panns_cnn10", encoder_class("panns_cnn10").TINY)
    with pytest.raises(RecipeError, match=r"Cnn10 does not classify its steps\n.*decision_level"):
        step_probabilities(network, torch.zeros(1, 32, 64))


def naive(values: list[list[float]], shown: list[bool], width: float, count: int, wide: float):  # type: ignore[no-untyped-def]
    """Target steps by going through all pairs of steps."""
    if not any(shown):
        return [[0.0] * len(values[0]) for _ in range(count)]
    rows = []
    for target in range(count):
        total, sums = 0.0, [0.0] * len(values[0])
        for step, row in enumerate(values):
            begin = max(step * width, target * wide)
            end = min((step + 1) * width, (target + 1) * wide)
            if shown[step] and end - begin > 1e-9:
                total += end - begin
                sums = [s + (end - begin) * v for s, v in zip(sums, row, strict=True)]
        last = [row for row, there in zip(values, shown, strict=True) if there][-1]
        rows.append([s / total for s in sums] if total else last)
    return rows


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_steps_are_averaged_over_the_time_they_share(data: st.DataObject) -> None:
    steps, count = data.draw(st.integers(1, 9), "steps"), data.draw(st.integers(1, 9), "targets")
    width = data.draw(st.sampled_from([0.32, 0.96, 0.02, 0.5]), "seconds")
    wide = data.draw(st.sampled_from([0.32, 0.16, 1.0, 0.33, 0.5]), "target seconds")
    shown = data.draw(st.lists(st.booleans(), min_size=steps, max_size=steps), "mask")
    values = torch.rand(1, steps, 3, generator=torch.Generator().manual_seed(steps))
    noisy = values.masked_fill(~torch.tensor(shown)[None, :, None], float("nan"))
    found = at_steps(noisy, width, count, wide, torch.tensor([shown]))
    expected = torch.tensor(naive(values[0].tolist(), shown, width, count, wide))
    torch.testing.assert_close(found[0], expected, rtol=1e-5, atol=1e-6)


def test_the_same_steps_stay_as_they_are() -> None:
    values = torch.rand(3, 101, 4, generator=torch.Generator().manual_seed(0))
    assert at_steps(values, 0.32, 101, 0.32).equal(values)
    halves = at_steps(values, 0.32, 202, 0.16)
    assert halves[:, 0::2].equal(values)
    assert halves[:, 1::2].equal(values)


def test_beyond_the_end_the_last_step_goes_on() -> None:
    values = torch.tensor([[[0.25], [0.5]], [[0.75], [0.125]]])
    mask = torch.tensor([[True, True], [True, False]])
    found = at_steps(values, 1.0, 4, 1.0, mask)[..., 0]
    assert found.tolist() == [[0.25, 0.5, 0.5, 0.5], [0.75] * 4]


def test_what_cannot_be_is_refused() -> None:
    values = torch.zeros(2, 3, 4)
    for seconds, targets, wide in ((0.0, 2, 1.0), (1.0, 0, 1.0), (1.0, 2, -1.0)):
        with pytest.raises(DataError, match=r"3 steps of .* cannot be brought"):
            at_steps(values, seconds, targets, wide)
    with pytest.raises(DataError, match="0 steps"):
        at_steps(values[:, :0], 1.0, 2, 1.0)
    with pytest.raises(DataError, match=r"a mask \(2, 2\) for 2 items of 3 steps"):
        at_steps(values, 1.0, 2, 1.0, torch.ones(2, 2, dtype=torch.bool))
