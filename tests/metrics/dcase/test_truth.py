from __future__ import annotations

from pathlib import Path

import pytest

from soundseek.errors import DataError
from soundseek.metrics.dcase import read_truth


def test_clotho(clotho: Path) -> None:
    truth = read_truth(clotho)
    assert truth.queries[1] == "rain, on a roof"
    assert truth.files == ["rain.wav", "o'dog.wav", "bell.wav"]
    assert truth.query_of.tolist() == [0, 1, 2, 3, 4, 5]
    assert truth.file_of.tolist() == [0, 0, 1, 1, 2, 2]
    assert truth.lists_all_files
    assert truth.names_of()[2:4] == [["o'dog.wav"], ["o'dog.wav"]]


def test_an_empty_cell_is_no_caption(make) -> None:
    truth = read_truth(make("t.csv", "file_name,caption_1,caption_2", "a.wav,, ", "b.wav,x,"))
    assert (truth.queries, truth.files) == (["x"], ["a.wav", "b.wav"])
    assert truth.file_of.tolist() == [1]


def test_relevant_files(make) -> None:
    path = make(
        "t.csv",
        "query,audio_filenames",
        "\"water, flowing\",\"['b.wav', 'cours d&#39;eau.wav']\"",
        'owl,"[""owl\'s.wav"", \'b.wav\']"',
    )
    truth = read_truth(path)
    assert truth.queries == ["water, flowing", "owl"]
    assert truth.names_of() == [["b.wav", "cours d'eau.wav"], ["b.wav", "owl's.wav"]]
    assert truth.query_of.tolist() == [0, 0, 1, 1]
    assert not truth.lists_all_files


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["file_name,caption_1", "a.wav,x", "a.wav,y"], "row 3: a row before is of the file 'a.w"),
        (["file_name,caption_1", "it&#39;s.wav,x", "it's.wav,y"], "row 3: a row before is of"),
        (["file_name,caption_1", ",x"], "row 2: there is no file name"),
        (["file_name,caption_1", "a.wav,"], "holds no caption"),
        (["file_name,caption_1"], "holds no caption"),
        (["file_name", "a.wav"], "no truth file: its header begins 'file_name'"),
        (["file_name,caption_2", "a.wav,x"], "no truth file"),
        (["caption,file_name_1", "x,a.wav"], "no truth file: its header begins 'caption', 'file"),
        (["query,audio_filenames"], "holds no query"),
        (["query,audio_filenames", ",['a.wav']"], "row 2: there is no query"),
        (["query,audio_filenames", "q,[]"], r"row 2 \(query 'q'\): no file is relevant"),
        (["query,audio_filenames", "q,a.wav"], r"'a.wav' is no list of file names"),
        (["query,audio_filenames", "q,[1]"], r"'\[1\]' is no list of file names"),
        (["query,audio_filenames", "q,['']"], "is no list of file names"),
        (["query,audio_filenames", "q,__import__('os')"], "is no list of file names"),
        (["query,audio_filenames", "q,['a.wav'"], "is no list of file names"),
        (["query,audio_filenames", "q,\"['it&#39;s.wav', 'it\\'s.wav']\""], "is listed twice"),
    ],
)
def test_what_is_no_truth(make, lines: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_truth(make("t.csv", *lines))
    assert "t.csv" in caught.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_truth(tmp_path / "no.csv")
