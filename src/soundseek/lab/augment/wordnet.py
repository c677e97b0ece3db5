"""A reader of WordNet 3.x database files: synonyms, and the base forms that lead to them.

The format is that of wndb(5WN), which Debian's `wordnet-base` and NLTK's `corpora/wordnet` share:
`index.POS` (sorted lines: a lemma and the byte offsets of its synsets) and `data.POS` (at each
offset a synset with its lemmas). Files are mapped into memory and searched in place; nothing is
loaded beforehand.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from soundseek.errors import DataError

_PARTS = ("noun", "verb", "adj", "adv")
_REMEDY = (
    "apt install wordnet-base, or nltk.download('wordnet') in Python and unpack what it fetched; "
    "elsewhere: augment.wordnet=FOLDER, the folder that holds index.noun"
)
# Endings that are taken off, and what takes their place: morphy(7WN).
_ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "noun": (
        ("s", ""),
        ("ses", "s"),
        ("ves", "f"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    "verb": (
        ("s", ""),
        ("ies", "y"),
        ("es", "e"),
        ("es", ""),
        ("ed", "e"),
        ("ed", ""),
        ("ing", "e"),
        ("ing", ""),
    ),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}


class WordNet:
    """The synonyms of one database folder."""

    def __init__(self, folder: str | Path) -> None:
        """Map the database in `folder`. Raises `DataError` naming the files that it lacks."""
        self.folder = Path(folder)
        needed = [f"{kind}.{part}" for part in _PARTS for kind in ("index", "data")]
        missing = [name for name in needed if not (self.folder / name).is_file()]
        if missing:
            raise DataError(
                f"no WordNet in {self.folder}: it lacks {', '.join(missing)}", remedy=_REMEDY
            )
        self._index = {part: _mapped(self.folder / f"index.{part}") for part in _PARTS}
        self._data = {part: _mapped(self.folder / f"data.{part}") for part in _PARTS}
        self._exceptions = {part: _exceptions(self.folder / f"{part}.exc") for part in _PARTS}
        self._remembered = lru_cache(maxsize=65_536)(self._look_up)

    def __reduce__(self) -> tuple[type[WordNet], tuple[Path]]:
        # Memory maps cannot be pickled; a worker process maps the files itself.
        return WordNet, (self.folder,)

    @classmethod
    def find(cls, folder: str | Path | None = None) -> WordNet:
        """The database in `folder`, or else in the usual places.

        These are `$WNHOME/dict`, /usr/share/wordnet and `corpora/wordnet` in NLTK's data folders.
        Raises `DataError` with what to install where there is none.
        """
        places = _within(Path(folder)) if folder is not None else _usual_places()
        for place in places:
            if (place / "index.noun").is_file():
                return cls(place)
        packed = [place.with_suffix(".zip") for place in places]
        packed = [path for path in packed if path.is_file()]
        if packed:
            raise DataError(
                f"WordNet is still packed in {packed[0]}",
                remedy=f"python -m zipfile -e {packed[0]} {packed[0].parent}",
            )
        raise DataError(f"no WordNet in {', '.join(map(str, places))}", remedy=_REMEDY)

    def synonyms(self, word: str) -> list[str]:
        """Lemmas of all senses of `word`, as nouns, verbs, adjectives and adverbs in that order.

        Inflected forms are looked up under their base forms ("barks": bark), and the synonyms are
        base forms themselves. Underscores become spaces. Neither the word nor its base forms are
        among them. The order is that of the database, so it is the same every time.
        """
        return list(self._remembered(word.strip().lower()))

    def _look_up(self, word: str) -> tuple[str, ...]:
        if not word:
            # The lines of the header have an empty first field.
            return ()
        spelt = word.replace(" ", "_")
        own = {word}
        found: dict[str, None] = {}
        for part in _PARTS:
            for lemma in self._lemmas(spelt, part):
                own.add(lemma.replace("_", " "))
                for offset in self._offsets(lemma, part):
                    found.update(dict.fromkeys(self._synset(offset, part)))
        return tuple(other for other in found if other.lower() not in own)

    def _lemmas(self, word: str, part: str) -> list[str]:
        """`word` itself and its base forms, as far as the index has them."""
        forms = [word, *self._exceptions[part].get(word, ())]
        if len(forms) == 1:
            forms += [
                word.removesuffix(ending) + new
                for ending, new in _ENDINGS[part]
                if word.endswith(ending) and len(word) > len(ending)
            ]
        return [form for form in dict.fromkeys(forms) if self._line(form, part)]

    def _line(self, lemma: str, part: str) -> bytes:
        """The index line of a lemma by binary search over the sorted lines; b"" without one."""
        data, wanted = self._index[part], lemma.encode()
        low, high = 0, len(data)
        while low < high:
            middle = (low + high) // 2
            start = data.rfind(b"\n", low, middle) + 1 or low
            end = data.find(b"\n", start)
            end = len(data) if end < 0 else end
            line = data[start:end]
            found = line.split(b" ", 1)[0]
            if found == wanted:
                return line
            low, high = (end + 1, high) if found < wanted else (low, start)
        return b""

    def _offsets(self, lemma: str, part: str) -> list[int]:
        fields = self._line(lemma, part).split()
        try:
            return [int(offset) for offset in fields[6 + int(fields[3]) :]]
        except (ValueError, IndexError) as error:
            raise self._damaged(f"index.{part}", f"the line of {lemma!r}") from error

    def _synset(self, offset: int, part: str) -> list[str]:
        data = self._data[part]
        end = data.find(b"\n", offset)
        try:
            fields = data[offset : len(data) if end < 0 else end].decode().split()
            if fields[0] != f"{offset:08d}":
                raise ValueError("another synset is there")
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        except (ValueError, IndexError) as error:
            raise self._damaged(f"data.{part}", f"the synset at byte {offset}") from error
        # Adjectives carry where they may stand: "galore(ip)".
        return [word.partition("(")[0].replace("_", " ") for word in words]

    def _damaged(self, name: str, where: str) -> DataError:
        return DataError(f"{self.folder / name} is damaged: {where} cannot be read", remedy=_REMEDY)


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:
        raise DataError(f"{path} is empty", remedy=_REMEDY) from error


def _exceptions(path: Path) -> dict[str, Sequence[str]]:
    """Irregular forms (`POS.exc`: a form and its base forms), where the folder has them."""
    if not path.is_file():
        return {}
    rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return {row[0]: row[1:] for row in rows if row}


def _within(folder: Path) -> list[Path]:
    return [folder, folder / "dict", folder / "wordnet", folder / "corpora" / "wordnet"]


def _usual_places() -> list[Path]:
    home = os.environ.get("WNHOME")
    system = [Path("/usr/share/wordnet")]
    nltk = [place / "corpora" / "wordnet" for place in _nltk_folders()]
    return ([Path(home) / "dict"] if home else []) + system + nltk


def _nltk_folders() -> Iterator[Path]:
    given = os.environ.get("NLTK_DATA", "")
    yield from (Path(place) for place in given.split(os.pathsep) if place)
    yield Path.home() / "nltk_data"
    for prefix in (Path(sys.prefix), Path(sys.prefix) / "share", Path(sys.prefix) / "lib"):
        yield prefix / "nltk_data"
    for shared in ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib"):
        yield Path(shared) / "nltk_data"
