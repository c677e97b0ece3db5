"""The model that ships inside the package: whole, lawful, the same every time, and no fool."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import soundseek
from soundseek.audio.resample import resample
from soundseek.library.moments import find_moments
from soundseek.synth import SCENES, render, render_scene

RATE = 32_000
Array = npt.NDArray[np.float32]

DESCRIPTIONS = {
    "bee": "a bee buzzing",
    "birds": "birds singing",
    "bubbling": "bubbling water",
    "car_horn": "a car horn honks",
    "cat_meow": "a cat meows",
    "church_bell": "a church bell",
    "clapping": "clapping hands",
    "clock_ticking": "a ticking clock",
    "cow": "a cow moos",
    "crow": "a crow caws",
    "crowd": "a crowd of people talking",
    "dog_bark": "a dog barks",
    "door_knock": "someone knocks on a door",
    "drill": "an electric drill",
    "drums": "a drum kit",
    "frog": "a frog croaks",
    "glass_breaking": "glass breaks",
    "hammer": "hammering",
    "helicopter": "a helicopter",
    "owl": "an owl hoots",
    "piano": "a piano",
    "rain": "rain",
    "sawing": "sawing wood",
    "sheep": "a sheep bleats",
    "siren": "an emergency siren",
    "telephone": "a telephone rings",
    "thunder": "thunder",
    "train_horn": "a train horn",
    "typing": "typing on a keyboard",
    "whistling": "a person whistles",
}
"""A plain description of each of thirty kinds of sound."""

CLEAR = (
    *("birds", "bubbling", "car_horn", "clock_ticking", "cow", "crow", "crowd", "drill"),
    *("drums", "frog", "hammer", "helicopter", "owl", "piano", "siren", "telephone"),
    *("thunder", "typing", "whistling"),
)
"""Kinds that are made well enough for a tagger of real sounds to recognise them."""


@pytest.fixture(scope="module")
def bundle() -> soundseek.Bundle:
    return soundseek.load_bundle(threads=1)


@pytest.fixture
def telephone() -> Array:
    return render("telephone", sample_rate=RATE)


# --- what it is


def test_it_is_small_and_whole(bundle: soundseek.Bundle) -> None:
    bundle.verify()
    sizes = [path.stat().st_size for path in bundle.folder.iterdir()]
    assert sum(sizes) <= 40_000_000
    assert {path.name for path in bundle.folder.iterdir()} == {
        "bundle.json",
        *bundle.manifest.files,
    }
    assert bundle.folder.is_relative_to(Path(soundseek.__file__).parent)


def test_its_card_says_what_it_owes_and_what_it_can(bundle: soundseek.Bundle) -> None:
    card = (bundle.folder / "MODEL_CARD.md").read_text("utf-8")
    sections = {line.removeprefix("## ") for line in card.splitlines() if line.startswith("## ")}
    assert {"Attribution", "Training data", "Scores", "Limits"} <= sections
    attribution = card.partition("## Attribution")[2]
    for source in bundle.manifest.provenance.data:
        assert f"`{source.name}`" in card or source.name in attribution, source.name
    assert "mAP@10" in card


def test_it_was_made_from_free_data_by_a_recipe_that_ships(bundle: soundseek.Bundle) -> None:
    provenance = bundle.manifest.provenance
    assert provenance.data
    assert all(source.clips > 0 for source in provenance.data)
    for source in provenance.data:
        words = source.licence.lower().replace("-", " ").replace("_", " ")
        assert words.strip()
        for unfree in (" nc", "noncommercial", "non commercial", "not stated", "all rights"):
            assert unfree not in f" {words}", (source.name, source.licence)
    research = {"urbansound8k", "animal_sound", "goonstation", "generated", "tau_scenes"}
    assert research.isdisjoint(source.name for source in provenance.data)
    assert files("soundseek").joinpath("recipes", f"{provenance.recipe}.yaml").is_file()
    assert {"validation", "test"} <= provenance.scores.keys()


# --- the same every time


def test_a_sound_has_one_vector(bundle: soundseek.Bundle, telephone: Array, tmp_path: Path) -> None:
    path = tmp_path / "telephone.wav"
    soundfile.write(path, telephone, RATE, subtype="FLOAT")
    others = [render("rain", sample_rate=RATE), telephone, render("owl", sample_rate=RATE)]
    alone = bundle.encode_audio(telephone, RATE)[0]
    assert alone.shape == (bundle.dimension,)
    assert np.linalg.norm(alone) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_array_equal(bundle.encode_audio(telephone, RATE)[0], alone)
    np.testing.assert_allclose(bundle.encode_audio(others, RATE)[1], alone, atol=1e-5)
    np.testing.assert_allclose(bundle.encode_audio(path)[0], alone, atol=1e-4)
    mixed = bundle.encode_audio([path, telephone], RATE)
    np.testing.assert_allclose(mixed[0], mixed[1], atol=1e-4)


def test_a_text_has_one_vector(bundle: soundseek.Bundle) -> None:
    alone = bundle.encode_text("rain")[0]
    assert np.linalg.norm(alone) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_array_equal(bundle.encode_text("rain")[0], alone)
    together = bundle.encode_text(["a much longer text, of a dog that barks at night", "rain"])
    np.testing.assert_allclose(together[1], alone, atol=1e-5)
    np.testing.assert_array_equal(bundle.encode_text("  RAIN! ")[0], alone)


def test_the_rate_of_the_samples_hardly_matters(bundle: soundseek.Bundle, telephone: Array) -> None:
    here = bundle.encode_audio(telephone, RATE)[0]
    for rate in (22_050, 44_100, 48_000):
        there = bundle.encode_audio(resample(telephone, RATE, rate), rate)[0]
        assert float(here @ there) > 0.97, rate


@pytest.mark.parametrize("seconds", [0.001, 0.05, 0.5, 3.0])
def test_short_sounds_and_silence_have_vectors(bundle: soundseek.Bundle, seconds: float) -> None:
    n = round(seconds * RATE)
    noise = np.random.default_rng(0).normal(0, 0.1, n).astype(np.float32)
    for samples in (noise, np.zeros(n, np.float32)):
        vector = bundle.encode_audio(samples, RATE)[0]
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_a_long_sound_is_the_mean_of_its_windows(bundle: soundseek.Bundle) -> None:
    long_one = np.tile(render("birds", duration_s=6.0, sample_rate=16_000), 30)  # three minutes
    (windows,) = bundle.encode_audio(long_one, 16_000, windows=True)
    assert len(windows) == pytest.approx(180 / bundle.hop_s, abs=1)
    whole = bundle.encode_audio(long_one, 16_000)[0]
    mean = windows.mean(axis=0)
    assert float(whole @ mean) / np.linalg.norm(mean) > 0.999


# --- what it understands


@pytest.fixture(scope="module")
def sounds_of_all_kinds(bundle: soundseek.Bundle) -> dict[str, Array]:
    """Kind → vectors of two sounds [2, dimension]."""
    return {
        kind: bundle.encode_audio(
            [render(kind, variant=variant, sample_rate=RATE) for variant in (0, 1)], RATE
        )
        for kind in DESCRIPTIONS
    }


def test_it_understands_plain_descriptions(
    bundle: soundseek.Bundle, sounds_of_all_kinds: dict[str, Array]
) -> None:
    kinds = list(DESCRIPTIONS)
    texts = bundle.encode_text([DESCRIPTIONS[kind] for kind in kinds])
    sounds = np.stack([vectors.mean(axis=0) for vectors in sounds_of_all_kinds.values()])
    similarity = texts @ sounds.T
    ranks = {
        kind: int((similarity[row] > similarity[row, row]).sum()) + 1
        for row, kind in enumerate(kinds)
    }
    in_front = [kind for kind in CLEAR if ranks[kind] <= 3]
    assert len(in_front) >= 0.75 * len(CLEAR), ranks
    # Of thirty kinds one in ten would be among the first three by chance.
    assert sum(rank <= 3 for rank in ranks.values()) >= 15, ranks


def test_two_sounds_of_a_kind_are_alike(sounds_of_all_kinds: dict[str, Array]) -> None:
    first, second = (
        np.stack([vectors[n] for vectors in sounds_of_all_kinds.values()]) for n in (0, 1)
    )
    nearest = (first @ second.T).argmax(axis=1)
    assert (nearest == np.arange(len(nearest))).mean() >= 0.8


def test_it_finds_the_siren_in_the_street(bundle: soundseek.Bundle, tmp_path: Path) -> None:
    path = tmp_path / "street.wav"
    soundfile.write(path, render_scene("street_scene", sample_rate=RATE), RATE)
    siren = next(event for event in SCENES["street_scene"].events if event.kind == "siren")
    best = find_moments(bundle, path, "an emergency siren", k=3)[0]
    overlap = min(best.end_s, siren.end_s) - max(best.start_s, siren.start_s)
    assert overlap >= 0.5 * (best.end_s - best.start_s)


def test_it_reads_any_english_word_and_says_what_it_cannot_read() -> None:
    bundle = soundseek.load_bundle()
    assert bundle.unknown_words("rain on a corrugated theremin") == []
    assert bundle.unknown_words("rain дождь") == ["дождь"]
