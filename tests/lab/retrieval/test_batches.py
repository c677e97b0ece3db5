from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.lab.augment.pipeline import TextResources
from soundseek.lab.augment.settings import AudioAugment, TextAugment
from soundseek.lab.retrieval.batches import Batch, BatchMaker, Sounds
from soundseek.lab.retrieval.recipe import Augment
from soundseek.lab.training.pairs import Pair
from support.retrieval import noise

pytestmark = pytest.mark.lab

SECONDS = (1.0, 0.4, 2.0, 0.01)
CAPTIONS = ("rain on a roof", "a dog barks at night", "wind", "waves and wind", "a bell")
EVERYTHING = Augment(
    audio=AudioAugment(gain_db=6.0, crop_s=0.9, time_masks=1, spec_time_stripes=2, mixup_share=0.5),
    text=TextAugment(p_eda=1.0, p_swap=0.5, p_delete=0.3),
)


@pytest.fixture
def maker(make_clip: Callable[..., Any], make_store: Callable[..., Any]) -> Callable[..., Any]:
    """Return maker(augment, seed, extra) → of four clips, of at most a second each."""
    clips = [
        make_clip(f"c{i}", [f"{caption} {i}" for caption in CAPTIONS], group=f"g{i // 2}")
        for i in range(4)
    ]
    store = make_store([noise(s, 16000, seed=i) for i, s in enumerate(SECONDS)])

    def made(
        augment: Augment = EVERYTHING, seed: int = 0, extra: Mapping[str, Sequence[str]] = {}
    ) -> BatchMaker:
        sounds = Sounds.of(clips, store, least=800, most=16000)
        return BatchMaker(sounds, augment, TextResources(), seed, extra)

    return made


def pairs(*clips: int, first: int = 0) -> list[Pair]:
    return [Pair(clip, clip, first + number) for number, clip in enumerate(clips)]


def sound(batch: Batch, row: int) -> list[float]:
    kept: list[float] = batch.waveforms[row, : int(batch.samples[row])].tolist()
    return kept


def test_a_batch(maker: Callable[..., BatchMaker]) -> None:
    batch = maker(Augment()).training(pairs(0, 1, 2, 3), 0, 0)
    assert batch.waveforms.shape == (4, 16000)
    assert batch.samples.tolist() == [16000, 6400, 16000, 800]
    assert batch.groups.tolist() == [0, 0, 1, 1]
    assert batch.clips == batch.captions == [0, 1, 2, 3]
    assert batch.texts == [f"{CAPTIONS[i]} {i}" for i in range(4)]
    # Silence behind the shorter ones, and behind what is too short for the encoder.
    assert not batch.waveforms[1, 6400:].any()
    assert not batch.waveforms[3, 160:].any()
    assert batch.waveforms[3, :160].any()


def test_an_item_depends_on_seed_epoch_and_number_alone(maker: Callable[..., BatchMaker]) -> None:
    made = maker()
    batch = made.training(pairs(2, 0, 1, first=5), 3, 7)
    for row, clip in enumerate((2, 0, 1)):
        alone = made.training([Pair(clip, clip, 5 + row)], 3, 99)
        assert sound(alone, 0) == sound(batch, row)
        assert alone.texts[0] == batch.texts[row]
        assert batch.plans is not None
        assert alone.plans is not None
        assert alone.plans[0][0] == batch.plans[0][row]
    again = maker().training(pairs(2, 0, 1, first=5), 3, 7)
    assert again.waveforms.equal(batch.waveforms)
    assert again.texts == batch.texts
    assert again.plans == batch.plans


@pytest.mark.parametrize(
    ("seed", "epoch", "first"), [(1, 0, 0), (0, 1, 0), (0, 0, 4)], ids=["seed", "epoch", "number"]
)
def test_another_item_is_another(
    maker: Callable[..., BatchMaker], seed: int, epoch: int, first: int
) -> None:
    plain = maker().training(pairs(2), 0, 0)
    other = maker(seed=seed).training(pairs(2, first=first), epoch, 0)
    assert sound(plain, 0) != sound(other, 0)
    assert plain.plans is not None
    assert other.plans is not None
    assert plain.plans[0] != other.plans[0]


def test_what_is_between_items_depends_on_the_batch(maker: Callable[..., BatchMaker]) -> None:
    made = maker()
    one, other, later = (
        made.training(pairs(0, 1, 2, 3), epoch, number)
        for epoch, number in ((0, 0), (0, 1), (1, 0))
    )
    for batch in (one, other, later):
        assert batch.plans is not None
    plans = [batch.plans[1].pairs for batch in (one, other, later) if batch.plans is not None]
    assert len({plan.weights for plan in plans}) == 3
    for plan in plans:
        assert len(plan) == 2
        for first, second in zip(plan.first, plan.second, strict=True):
            assert first // 2 != second // 2  # of another group


def test_training_crops_at_random_and_validation_at_the_start(
    maker: Callable[..., BatchMaker], make_store: Callable[..., Any]
) -> None:
    whole = noise(SECONDS[2], 16000, seed=2)
    made = maker(Augment())
    starts = set()
    for epoch in range(6):
        heard = np.array(sound(made.training(pairs(2), epoch, 0), 0), np.float32)
        assert len(heard) == 16000
        (start,) = (
            i
            for i in range(16001)
            if abs(heard[0] - whole[i]) < 1e-4
            and np.allclose(heard, whole[i : i + 16000], atol=1e-4)
        )
        starts.add(start)
    assert len(starts) == 6
    plain = maker().plain(pairs(2, 3))
    assert plain.plans is None
    np.testing.assert_allclose(sound(plain, 0), whole[:16000], atol=1e-4)
    assert plain.samples.tolist() == [16000, 800]
    assert plain.texts == [f"{CAPTIONS[i]} {i}" for i in (2, 3)]


def test_extra_captions_take_the_place_of_others(maker: Callable[..., BatchMaker]) -> None:
    augment = Augment(text=TextAugment(p_extra=0.5))
    made = maker(augment, extra={"c0": ["drizzle"]})
    texts = [made.training(pairs(0, 1), epoch, 0).texts for epoch in range(40)]
    assert {first for first, _ in texts} == {"drizzle", f"{CAPTIONS[0]} 0"}
    assert {second for _, second in texts} == {f"{CAPTIONS[1]} 1"}
