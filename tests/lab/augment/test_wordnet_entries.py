from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.augment.wordnet_entries import Word, sentences, words

pytestmark = pytest.mark.lab

_HEADER = "  1 An invented dictionary, in no language  \n"
_DATA = (
    '05 n 02 plink_plonk 0 plinker 0 001 @ 00000000 n 0000 | a sound; or so; "it went plink"  \n',
    "11 n 01 Plinkton 0 000 | a town known for it  \n",
    '05 n 01 7up 0 000 | "seven" as it is heard  \n',
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data, offsets = _HEADER, []
    for line in _DATA:
        offsets.append(f"{len(data):08d}")
        data += f"{offsets[-1]} {line}"
    for part in ("noun", "verb", "adj", "adv"):
        (tmp_path / f"data.{part}").write_text(_HEADER, encoding="utf-8")
        (tmp_path / f"index.{part}").write_text(_HEADER, encoding="utf-8")
    (tmp_path / "data.noun").write_text(data, encoding="utf-8")
    lemmas = (
        f"7up n 1 0 1 0 {offsets[2]}  \n",
        # Two senses, two kinds of pointers, met three times.
        f"plink_plonk n 2 2 @ ~ 2 3 {offsets[0]} {offsets[1]}  \n",
        f"plinker n 1 1 @ 1 0 {offsets[0]}  \n",
        f"plinkton n 1 0 1 0 {offsets[1]}  \n",
    )
    (tmp_path / "index.noun").write_text(_HEADER + "".join(lemmas), encoding="utf-8")
    return tmp_path


def test_words_with_the_kind_of_their_first_sense(folder: Path) -> None:
    assert list(words(folder)) == [
        Word("7up", ("noun", 5), 0),
        Word("plink plonk", ("noun", 5), 3),
        Word("plinker", ("noun", 5), 0),
    ]


def test_definitions_and_examples_are_told_apart(folder: Path) -> None:
    definitions, examples = sentences(folder)
    assert definitions == ["a sound; or so", "a town known for it"]
    assert examples == ["it went plink", "seven"]


@pytest.mark.parametrize(
    ("file", "whole", "damaged"),
    [
        ("data.noun", " | a town", " a town"),
        ("index.noun", "0 1 0", ""),
    ],
)
def test_a_damaged_database_is_named(folder: Path, file: str, whole: str, damaged: str) -> None:
    path = folder / file
    path.write_text(path.read_text(encoding="utf-8").replace(whole, damaged), encoding="utf-8")
    with pytest.raises(DataError, match=rf"{file} is damaged: the line "):
        list(words(folder))
