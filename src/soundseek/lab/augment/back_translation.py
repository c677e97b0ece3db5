"""Back translation: captions through another language and back, made once and kept on disk.

CP-JKU 2022, section 5: English → German, French or Spanish → English, and in training a caption is
exchanged for one of its variants with probability p_bt (searched in 0 … 1; the best was 0.1812).
Translating is slow and needs big models, so it is done before training, and what is done is never
done again: an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

import numpy as np

from soundseek.errors import DataError

LANGUAGES = ("de", "fr", "es")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS translations (
    translator TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
    text TEXT NOT NULL, translation TEXT NOT NULL,
    PRIMARY KEY (translator, source, target, text)
) WITHOUT ROWID
"""
_FIND = """
SELECT translation FROM translations
WHERE translator = ? AND source = ? AND target = ? AND text = ?
"""
_KEEP = "INSERT OR REPLACE INTO translations VALUES (?, ?, ?, ?, ?)"


class BackTranslator(Protocol):
    """A translator that gives the same translation every time.

    `name` says which one and with which settings: translations are kept under it.
    """

    @property
    def name(self) -> str: ...

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """The texts in the language `target`, one each; both languages as ISO 639-1 codes."""
        ...


class TranslationCache:
    """Translations in one SQLite file: a batch is either in it whole or not at all."""

    def __init__(self, path: str | Path) -> None:
        """Open or create the file. Raises `DataError` for a file that is something else."""
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connected() as connection:
            try:
                with connection:
                    connection.execute(_SCHEMA)
            except sqlite3.DatabaseError as error:
                raise DataError(
                    f"{self.path} is no translation cache: {error}",
                    remedy="move it away or name another file",
                ) from error

    def find(
        self, translator: str, source: str, target: str, texts: Iterable[str]
    ) -> dict[str, str]:
        """Text → translation, of those texts that have one."""
        found = {}
        with self._connected() as connection:
            for text in texts:
                row = connection.execute(_FIND, (translator, source, target, text)).fetchone()
                if row is not None:
                    found[text] = str(row[0])
        return found

    def keep(
        self, translator: str, source: str, target: str, translations: Mapping[str, str]
    ) -> None:
        """Add translations in one transaction."""
        rows = [(translator, source, target, *pair) for pair in translations.items()]
        with self._connected() as connection, connection:
            connection.executemany(_KEEP, rows)

    def _connected(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self.path, timeout=60.0))


def back_translated(
    captions: Iterable[str],
    translator: BackTranslator,
    cache: TranslationCache,
    *,
    languages: Sequence[str] = LANGUAGES,
    source: str = "en",
    batch: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, dict[str, str]]:
    """Variants of every different caption: caption → language → back translation.

    Args:
        cache: what is in it is not translated again; every batch is added at once.
        languages: the languages on the way, in the order in which variants are listed.
        source: the language of the captions.
        batch: texts that the translator gets at a time.
        progress: called with (translations there, translations needed) after every batch.

    A variant without a word is left out. Raises `DataError` when the translator gives another
    number of texts than it was given.
    """
    texts = sorted({caption for caption in captions if caption.strip()})
    variants: dict[str, dict[str, str]] = {text: {} for text in texts}
    done, needed = 0, 2 * len(texts) * len(languages)

    def count(n: int) -> None:
        nonlocal done
        done += n
        if progress is not None:
            progress(done, needed)

    for language in languages:
        there = _translated(texts, translator, cache, source, language, batch, count)
        abroad = sorted({text for text in there.values() if text.strip()})
        back = _translated(abroad, translator, cache, language, source, batch, lambda n: None)
        for text in texts:
            variant = back.get(there[text], "").strip()
            if variant:
                variants[text][language] = variant
        count(len(texts))
    return variants


def draw_variant(rng: np.random.Generator, probability: float) -> float | None:
    """Draw whether a caption is exchanged, and the fraction that chooses its variant."""
    chosen, pick = rng.random(2).tolist()
    return float(pick) if chosen < probability else None


def apply_variant(caption: str, pick: float | None, variants: Sequence[str]) -> str:
    """The variant that `pick` in [0, 1) chooses; the caption itself without pick or variants."""
    if pick is None or not variants:
        return caption
    return variants[int(pick * len(variants))]


def _translated(
    texts: Sequence[str],
    translator: BackTranslator,
    cache: TranslationCache,
    source: str,
    target: str,
    batch: int,
    count: Callable[[int], None],
) -> dict[str, str]:
    found = cache.find(translator.name, source, target, texts)
    count(len(found))
    missing = [text for text in texts if text not in found]
    for start in range(0, len(missing), batch):
        asked = missing[start : start + batch]
        answers = translator.translate(asked, source, target)
        if len(answers) != len(asked):
            raise DataError(
                f"{translator.name} gave {len(answers)} translations {source} → {target} "
                f"for {len(asked)} texts"
            )
        fresh = dict(zip(asked, answers, strict=True))
        cache.keep(translator.name, source, target, fresh)
        found.update(fresh)
        count(len(fresh))
    return found
