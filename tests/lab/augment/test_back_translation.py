from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.augment.back_translation import (
    TranslationCache,
    apply_variant,
    back_translated,
    draw_variant,
)

pytestmark = pytest.mark.lab


class PowerCutError(Exception):
    """Ends a run in the middle."""


class Fake:
    """Turns the words round and adds the language; `breaks_at` texts it fails."""

    def __init__(self, name: str = "fake", breaks_at: int | None = None) -> None:
        self.name = name
        self.breaks_at = breaks_at
        self.asked: list[tuple[str, str, str]] = []

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        if self.breaks_at is not None and len(self.asked) >= self.breaks_at:
            raise PowerCutError
        self.asked += [(source, target, text) for text in texts]
        if target == "en":
            return [text.removeprefix(f"{source}:")[::-1] + f" via {source}" for text in texts]
        return [f"{target}:{text[::-1]}" for text in texts]


CAPTIONS = ["rain", "wind", "rain", "  ", "bells ring"]


@pytest.fixture
def cache(tmp_path: Path) -> TranslationCache:
    return TranslationCache(tmp_path / "new" / "translations.db")


def test_variants_of_every_caption_and_language(cache: TranslationCache) -> None:
    fake = Fake()
    seen: list[tuple[int, int]] = []
    variants = back_translated(
        CAPTIONS, fake, cache, languages=("fr", "de"), batch=2, progress=lambda *n: seen.append(n)
    )
    assert variants == {
        text: {"fr": f"{text} via fr", "de": f"{text} via de"}
        for text in ("bells ring", "rain", "wind")
    }
    assert all(list(by_language) == ["fr", "de"] for by_language in variants.values())
    assert len(fake.asked) == len(set(fake.asked)) == 3 * 2 * 2
    assert seen[-1] == (12, 12)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_nothing_is_translated_twice(cache: TranslationCache) -> None:
    first = back_translated(CAPTIONS, Fake(), cache)
    unused = Fake(breaks_at=0)
    assert back_translated(CAPTIONS, unused, TranslationCache(cache.path)) == first
    more = Fake()
    back_translated([*CAPTIONS, "hail"], more, cache)
    assert {text for source, _, text in more.asked if source == "en"} == {"hail"}


def test_an_interrupted_run_goes_on(cache: TranslationCache) -> None:
    captions = [f"sound {i}" for i in range(10)]
    broken = Fake(breaks_at=6)
    with pytest.raises(PowerCutError):
        back_translated(captions, broken, cache, languages=("de",), batch=3)
    going_on = Fake()
    variants = back_translated(captions, going_on, cache, languages=("de",), batch=3)
    assert not set(broken.asked) & set(going_on.asked)
    assert len(broken.asked) + len(going_on.asked) == 20
    assert len(variants) == 10


def test_translators_do_not_share_their_translations(cache: TranslationCache) -> None:
    back_translated(["rain"], Fake("one"), cache, languages=("de",))
    other = Fake("two")
    back_translated(["rain"], other, cache, languages=("de",))
    assert len(other.asked) == 2


def test_a_translation_without_words_gives_no_variant(cache: TranslationCache) -> None:
    class Mute(Fake):
        def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
            return ["" if (target, text) == ("de", "rain") else text for text in texts]

    variants = back_translated(["rain", "wind"], Mute(), cache, languages=("de", "fr"))
    assert variants == {"rain": {"fr": "rain"}, "wind": {"de": "wind", "fr": "wind"}}


def test_another_number_of_translations_is_refused(cache: TranslationCache) -> None:
    class Lossy(Fake):
        def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
            return list(texts)[1:]

    with pytest.raises(DataError, match="fake gave 2 translations en → de for 3 texts"):
        back_translated(CAPTIONS, Lossy(), cache)
    assert cache.find("fake", "en", "de", CAPTIONS) == {}


def test_a_batch_is_kept_whole_or_not_at_all(cache: TranslationCache) -> None:
    with pytest.raises(sqlite3.Error):
        cache.keep("x", "en", "de", {"rain": "Regen", "wind": None})  # type: ignore[dict-item]
    assert cache.find("x", "en", "de", ["rain", "wind"]) == {}


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and no database at all\n" * 30)
    with pytest.raises(DataError, match=r"notes\.txt is no translation cache"):
        TranslationCache(path)
    assert path.read_text().startswith("these are my notes")


def test_how_often_and_which() -> None:
    rng = np.random.default_rng(0)
    picks = [draw_variant(rng, 0.1812) for _ in range(20_000)]
    drawn = [pick for pick in picks if pick is not None]
    assert len(drawn) / len(picks) == pytest.approx(0.1812, abs=0.01)
    results = [apply_variant("x", pick, ("a", "b", "c")) for pick in drawn]
    for variant in "abc":
        assert results.count(variant) / len(results) == pytest.approx(1 / 3, abs=0.03)
    assert apply_variant("x", None, ("a",)) == "x"
    assert apply_variant("x", 0.5, ()) == "x"
    assert {draw_variant(rng, 0.0) for _ in range(100)} == {None}


def test_the_generator_moves_on_alike_whatever_the_probability() -> None:
    first, second = np.random.default_rng(1), np.random.default_rng(1)
    draw_variant(first, 0.0)
    draw_variant(second, 1.0)
    assert first.random() == second.random()
