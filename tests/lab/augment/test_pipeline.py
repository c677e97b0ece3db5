from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab.augment.pipeline import (
    TextResources,
    check_resources,
    draw_audio,
    draw_batch,
    features_for,
    text_for,
    waveform_for,
)
from soundseek.lab.augment.settings import AudioAugment, TextAugment

pytestmark = pytest.mark.lab

# What the search of CP-JKU 2022 found best.
TEXT = TextAugment(
    p_back_translation=0.1812,
    p_eda=0.9936,
    p_synonym=0.2962,
    p_swap=0.0085,
    p_delete=0.1944,
    p_insert=0.05,
)
AUDIO = AudioAugment(
    gain_db=3.0,
    spec_time_stripes=7,
    spec_time_width=58,
    spec_band_stripes=1,
    spec_band_width=4,
    p_mixstyle=0.1045,
    mixstyle_alpha=0.8286,
)


class Doubling:
    def synonyms(self, word: str) -> list[str]:
        return [f"{word}-like", f"{word}-ish"]


RESOURCES = TextResources(
    variants={"rain falls": {"fr": "rain drops", "de": "it rains"}},
    vocabulary=("bell", "drum"),
    thesaurus=Doubling(),
)


def item_rng(index: int, epoch: int = 0, seed: int = 0) -> np.random.Generator:
    return np.random.default_rng((seed, epoch, index))


def test_nothing_happens_by_default() -> None:
    rng, audio = item_rng(0), AudioAugment()
    assert (
        text_for(" Rain,  falls ", TextAugment(), rng, RESOURCES, extra=["x"]) == " Rain,  falls "
    )
    wave = np.linspace(-1, 1, 50, dtype=np.float32)
    plans = [draw_audio(audio, item_rng(i)) for i in range(2)]
    assert waveform_for(wave, audio, plans[0], 100).tolist() == wave.tolist()
    x = torch.randn(2, 10, 4)
    batch = draw_batch(audio, rng, 2)
    assert torch.equal(features_for(x, audio, plans, batch), x)
    assert len(batch.pairs) == 0


@settings(deadline=None)
@given(st.integers(0, 10_000), st.text(max_size=30))
def test_text_is_the_same_again_and_never_empty(index: int, caption: str) -> None:
    first, again = (text_for(caption, TEXT, item_rng(index), RESOURCES) for _ in range(2))
    assert first == again
    assert bool(first.split()) == bool(caption.split())


def test_epochs_and_items_differ() -> None:
    caption = "rain falls on a tin roof"
    texts = {
        text_for(caption, TEXT, item_rng(i, epoch), RESOURCES) for i in range(9) for epoch in (0, 1)
    }
    assert len(texts) > 9


def test_captions_are_exchanged_as_often_as_asked() -> None:
    chosen = TextAugment(p_extra=0.25, p_back_translation=0.4, languages=("de", "fr", "es"))
    texts = [
        text_for("rain falls", chosen, item_rng(i), RESOURCES, extra=("hail", "sleet"))
        for i in range(8000)
    ]
    share = {text: texts.count(text) / len(texts) for text in set(texts)}
    assert share == {
        "hail": pytest.approx(0.125, abs=0.02),
        "sleet": pytest.approx(0.125, abs=0.02),
        "it rains": pytest.approx(0.15, abs=0.02),
        "rain drops": pytest.approx(0.15, abs=0.02),
        "rain falls": pytest.approx(0.45, abs=0.02),
    }


def test_only_the_chosen_languages_are_used() -> None:
    french = TextAugment(p_back_translation=1.0, languages=("fr",))
    texts = {text_for("rain falls", french, item_rng(i), RESOURCES) for i in range(20)}
    assert texts == {"rain drops"}


def test_back_translation_comes_before_eda() -> None:
    both = TextAugment(p_back_translation=1.0, languages=("de",), p_eda=1.0, p_delete=1.0)
    texts = {text_for("rain falls", both, item_rng(i), RESOURCES) for i in range(60)}
    assert texts == {"it rains", "it", "rains"}


def test_missing_resources_are_named_all_at_once() -> None:
    check_resources(TEXT, RESOURCES)
    check_resources(TextAugment(p_insert=0.5, p_synonym=0.5), TextResources())
    with pytest.raises(DataError, match=r"variants.*vocabulary.*thesaurus"):
        check_resources(TEXT, TextResources())


def test_a_batch_gives_what_its_items_give() -> None:
    """Everything but MixStyle, whose partners are the batch."""
    alone = replace(AUDIO, p_mixstyle=0.0)
    plans = [draw_audio(alone, item_rng(i)) for i in range(4)]
    assert plans == [draw_audio(alone, item_rng(i)) for i in range(4)]
    x, lengths = torch.randn(4, 300, 64), torch.tensor([300, 120, 250, 33])
    together = features_for(x, alone, plans, draw_batch(alone, item_rng(0), 4), lengths=lengths)
    for i, n in enumerate(lengths.tolist()):
        one = draw_batch(alone, item_rng(9), 1)
        single = features_for(x[i : i + 1, :n], alone, plans[i : i + 1], one)
        assert torch.equal(together[i : i + 1, :n], single)
    assert not torch.equal(together, x)


def test_mixstyle_comes_before_specaug() -> None:
    """Masked cells hold exactly what is written into them, and count in no statistics."""
    every = replace(AUDIO, p_mixstyle=1.0, spec_value=0.5)
    plans = [draw_audio(every, item_rng(i)) for i in range(6)]
    batch = draw_batch(every, item_rng(0), 6)
    x = torch.randn(6, 200, 64, generator=torch.Generator().manual_seed(0)) * 3 + 7
    got = features_for(x, every, plans, batch)
    styled = features_for(x, replace(every, spec_time_width=0, spec_band_width=0), plans, batch)
    masked = got == 0.5
    assert 0.05 < masked.float().mean() < 0.9
    assert torch.equal(got[~masked], styled[~masked])
    assert not torch.allclose(styled, x, atol=0.05)


def test_the_expected_share_is_masked() -> None:
    """Seven stripes of 0 … 57 frames in 1001, one of 0 … 3 bands in 64, with overlaps."""
    plans = [draw_audio(AUDIO, item_rng(i)) for i in range(400)]
    alone = replace(AUDIO, p_mixstyle=0.0)
    x = torch.ones(400, 1001, 64)
    got = features_for(x, alone, plans, draw_batch(alone, item_rng(0), 400))
    lost = float((got == 0).all(2).float().mean())
    assert lost == pytest.approx(1 - (1 - 28.5 / 1001) ** 7, abs=0.012)


def test_pairs_for_mixup_keep_clips_apart() -> None:
    mixing = AudioAugment(mixup_share=1.0, mixup_alpha=1.0)
    groups = [0, 0, 1, 1, 2]
    pairs = draw_batch(mixing, item_rng(0), 5, groups).pairs
    assert len(pairs) == 5
    assert all(groups[a] != groups[b] for a, b in zip(pairs.first, pairs.second, strict=True))


def test_every_impossible_setting_is_named() -> None:
    with pytest.raises(RecipeError) as caught:
        TextAugment(p_eda=1.2, p_swap=-0.1, p_delete=float("nan"), p_insert="0.1")  # type: ignore[arg-type]
    for name in ("p_eda is 1.2", "p_swap is -0.1", "p_delete is nan", "p_insert is '0.1'"):
        assert name in caught.value.message
    with pytest.raises(RecipeError) as caught:
        AudioAugment(
            gain_db=-1.0,
            crop_s=0.0,
            spec_time_stripes=1.5,  # type: ignore[arg-type]
            spec_band_width=-1,
            spec_convention="other",  # type: ignore[arg-type]
            p_mixstyle=2.0,
            mixstyle_alpha=0.0,
            mixstyle_per="epoch",  # type: ignore[arg-type]
            mixup_share=-0.5,
            mixup_alpha=True,
        )
    problems = caught.value.message.count("\n  - ")
    assert problems == 10
    assert "choices: panns, torchaudio" in caught.value.message
    assert "choices: item, batch" in caught.value.message
