"""On a database of invented entries, written here in the format of wndb(5WN)."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.augment.wordnet import WordNet

pytestmark = pytest.mark.lab

_HEADER = "  1 An invented dictionary, in no language  \n  2 with a header of two lines  \n"
_PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
# Part of speech → synsets; the senses of a lemma are its synsets in this order.
SYNSETS: Mapping[str, Sequence[Sequence[str]]] = {
    "noun": [
        ["grumble", "low_murmur", "Murmurton"],
        ["plink", "tinny_drop"],
        ["grumble", "complaint"],
        ["wolfkin", "grey_howler"],
        ["box", "crate"],
        ["zither"],
    ],
    "verb": [["plink", "patter", "drip"], ["grumble", "mutter"], ["shoo", "chase_off"], ["a"]],
    "adj": [["loud", "blaring(a)", "at_full_tilt(p)", "galore(ip)"], ["fine", "dainty"]],
    "adv": [["softly", "gently"]],
}
_EXCEPTIONS = {"noun": "wolfkins wolfkin\nwolfkinder wolfkin\n", "verb": "shod shoo\n"}


def write_database(folder: Path) -> Path:
    """Write `SYNSETS` as index and data files."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, letter in _PARTS.items():
        data, senses = _HEADER, {}
        for synset in SYNSETS[part]:
            offset = len(data)
            words = " ".join(f"{word} 0" for word in synset)
            pointer = "001 @ 00000000 n 0000" if letter == "n" else "000"
            data += f"{offset:08d} 00 {letter} {len(synset):02x} {words} {pointer} | a gloss  \n"
            for word in synset:
                senses.setdefault(word.partition("(")[0].lower(), []).append(f"{offset:08d}")
        index = _HEADER
        for lemma in sorted(senses):
            n = len(senses[lemma])
            pointers = "1 @" if letter == "n" else "0"
            index += f"{lemma} {letter} {n} {pointers} {n} 0 {' '.join(senses[lemma])}  \n"
        (folder / f"data.{part}").write_text(data)
        (folder / f"index.{part}").write_text(index)
    for part, lines in _EXCEPTIONS.items():
        (folder / f"{part}.exc").write_text(lines)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_database(tmp_path / "dict")


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without WordNet: what the environment names is in an empty folder."""
    from soundseek.lab.augment import wordnet

    monkeypatch.delenv("WNHOME", raising=False)
    monkeypatch.setattr(wordnet, "_usual_places", lambda: [tmp_path / "corpora" / "wordnet"])
    return tmp_path


def test_synonyms_of_all_senses_and_parts_of_speech(folder: Path) -> None:
    wordnet = WordNet(folder)
    assert wordnet.synonyms("grumble") == ["low murmur", "Murmurton", "complaint", "mutter"]
    assert wordnet.synonyms("plink") == ["tinny drop", "patter", "drip"]
    assert wordnet.synonyms("low murmur") == ["grumble", "Murmurton"]
    assert wordnet.synonyms("zither") == wordnet.synonyms("unheard") == wordnet.synonyms("") == []


def test_every_lemma_is_found_first_last_and_between(folder: Path) -> None:
    wordnet = WordNet(folder)
    for synsets in SYNSETS.values():
        for synset in synsets:
            spelt = [word.partition("(")[0].replace("_", " ") for word in synset]
            for word in spelt:
                assert set(wordnet.synonyms(word)) >= {other for other in spelt if other != word}


def test_inflected_words_are_found_by_their_base_forms(folder: Path) -> None:
    wordnet = WordNet(folder)
    assert wordnet.synonyms("Grumbles") == wordnet.synonyms("grumble")
    assert wordnet.synonyms("grumbling") == ["mutter"]
    assert wordnet.synonyms("plinked") == ["patter", "drip"]
    assert wordnet.synonyms("boxes") == ["crate"]
    assert wordnet.synonyms("wolfkinder") == ["grey howler"]
    assert wordnet.synonyms("shod") == ["chase off"]
    assert wordnet.synonyms("finest") == ["dainty"]
    assert wordnet.synonyms("softlyer") == []


def test_adjectives_lose_their_markers(folder: Path) -> None:
    assert WordNet(folder).synonyms("louder") == ["blaring", "at full tilt", "galore"]


def test_a_worker_process_opens_it_again(folder: Path) -> None:
    again = pickle.loads(pickle.dumps(WordNet(folder)))
    assert again.synonyms("gently") == ["softly"]


@pytest.mark.parametrize("under", [".", "dict", "wordnet", "corpora/wordnet"])
def test_a_given_folder_may_hold_it_or_be_above_it(tmp_path: Path, under: str) -> None:
    write_database(tmp_path / "given" / under)
    assert WordNet.find(tmp_path / "given").synonyms("box") == ["crate"]


def test_the_environment_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_database(tmp_path / "wn" / "dict")
    monkeypatch.setenv("WNHOME", str(tmp_path / "wn"))
    assert WordNet.find().folder == tmp_path / "wn" / "dict"
    monkeypatch.delenv("WNHOME")
    write_database(tmp_path / "nltk" / "corpora" / "wordnet")
    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "nltk"))
    found = WordNet.find().folder
    assert found in (Path("/usr/share/wordnet"), tmp_path / "nltk" / "corpora" / "wordnet")


def test_an_absent_database_names_the_remedy(nowhere: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)no WordNet in .*apt install wordnet-base.*nltk"):
        WordNet.find()
    with pytest.raises(DataError, match=r"augment\.wordnet=FOLDER"):
        WordNet.find(nowhere / "absent")


def test_a_packed_database_says_how_to_unpack_it(nowhere: Path) -> None:
    (nowhere / "corpora").mkdir()
    (nowhere / "corpora" / "wordnet.zip").write_bytes(b"")
    with pytest.raises(DataError, match=r"(?s)packed in .*python -m zipfile -e"):
        WordNet.find()


def test_missing_and_empty_files_are_named(folder: Path) -> None:
    (folder / "data.adv").write_bytes(b"")
    with pytest.raises(DataError, match=r"data\.adv is empty"):
        WordNet(folder)
    (folder / "data.adv").unlink()
    (folder / "index.verb").unlink()
    with pytest.raises(DataError, match=r"lacks index\.verb, data\.adv"):
        WordNet(folder)


def test_damage_is_named(folder: Path) -> None:
    data = (folder / "data.adv").read_text()
    (folder / "data.adv").write_text(data[5:])
    with pytest.raises(DataError, match=r"data\.adv is damaged: the synset at byte \d+"):
        WordNet(folder).synonyms("softly")
    (folder / "index.adv").write_text("softly r\n")
    with pytest.raises(DataError, match=r"index\.adv is damaged: the line of 'softly'"):
        WordNet(folder).synonyms("softly")


def test_on_the_real_database() -> None:
    """Where it is installed."""
    try:
        wordnet = WordNet.find()
    except DataError as error:
        pytest.skip(error.message)
    assert "rainfall" in wordnet.synonyms("rain")
    assert "domestic dog" in wordnet.synonyms("dogs")
    assert "pelt" in wordnet.synonyms("pouring")
    assert not any("_" in other or "(" in other for other in wordnet.synonyms("loud"))
