"""Every entry of a WordNet database in turn: words, what they are, and sentences about them.

The format is that of wndb(5WN), see `soundseek.lab.augment.wordnet`, which finds the folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from soundseek.errors import DataError

_PARTS = ("noun", "verb", "adj", "adv")
_EXAMPLE = re.compile(r'"([^"]+)"')


@dataclass(frozen=True)
class Word:
    """A lemma in lower case with spaces. `kind`: `noun.animal` and the like as a pair of the part
    of speech and the number of the lexicographers' file of its most frequent sense (lexnames(5WN)).
    `known`: how many of its senses were met in WordNet's tagged texts; 0 for rare words.
    """

    lemma: str
    kind: tuple[str, int]
    known: int


def words(folder: Path) -> Iterator[Word]:
    """All lemmas but names, in the order of the database: nouns, verbs, adjectives, adverbs.

    Raises `DataError` for damaged files.
    """
    for part in _PARTS:
        kinds = {offset: (number, spelt) for offset, number, spelt, _ in _synsets(folder, part)}
        for line in _lines(folder / f"index.{part}"):
            fields = line.split()
            try:
                after = 4 + int(fields[3])
                known, offset = int(fields[after + 1]), fields[after + 2]
                number, spelt = kinds[offset]
            except (ValueError, IndexError, KeyError) as error:
                raise _damaged(folder / f"index.{part}", line) from error
            lemma = fields[0]
            # The index is in lower case: names are told by how their synset spells them.
            if lemma in spelt and re.search(r"[a-z]{2}", lemma):
                yield Word(lemma.replace("_", " "), (part, number), known)


def sentences(folder: Path) -> tuple[list[str], list[str]]:
    """Definitions, and sentences that show how a word is used, in the order of the database."""
    definitions, examples = [], []
    for part in _PARTS:
        for _, _, _, gloss in _synsets(folder, part):
            examples += [found.strip() for found in _EXAMPLE.findall(gloss)]
            definition = gloss.partition('; "')[0].strip()
            if definition and '"' not in definition:
                definitions.append(definition)
    return definitions, examples


def _synsets(folder: Path, part: str) -> Iterator[tuple[str, int, frozenset[str], str]]:
    """Offset, number of the lexicographers' file, words as they are spelt, and the gloss."""
    for line in _lines(folder / f"data.{part}"):
        entry, separator, gloss = line.partition(" | ")
        fields = entry.split()
        try:
            if not separator:
                raise ValueError("it has no gloss")
            spelt = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            # Adjectives carry where they may stand: "galore(ip)".
            plain = frozenset(word.partition("(")[0] for word in spelt)
            yield fields[0], int(fields[1]), plain, gloss.strip()
        except (ValueError, IndexError) as error:
            raise _damaged(folder / f"data.{part}", line) from error


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.startswith(" ") and line.strip():  # the header is indented
                yield line


def _damaged(path: Path, line: str) -> DataError:
    return DataError(
        f"{path} is damaged: the line {line[:40].rstrip()!r} cannot be read",
        remedy="install WordNet again: apt install --reinstall wordnet-base",
    )
