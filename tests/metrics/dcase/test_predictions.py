from __future__ import annotations

import math
import os
import threading
from pathlib import Path

import pytest

from soundseek.errors import DataError
from soundseek.metrics.dcase import Ranked, Scored, read_predictions

RANKED = "caption,file_name_1,file_name_2"


def test_ranked(make) -> None:
    path = make("p.csv", RANKED, "dogs,o&#39;dog.wav,b.wav", "", "rain,b.wav,o'dog.wav")
    found = read_predictions(path)
    assert isinstance(found, Ranked)
    assert found.names == ["o'dog.wav", "b.wav"]
    assert found.ranking.tolist() == [[0, 1], [1, 0]]
    assert (found.texts, found.rows) == (["dogs", "rain"], [2, 4])


@pytest.mark.parametrize("first", ["index", "query", ""])
def test_scored(make, first: str) -> None:
    path = make("p.csv", f"{first},a.wav,cours d&#39;eau.wav", 'x,1e-3,-2\n"y, z",inf,0.25')
    found = read_predictions(path)
    assert isinstance(found, Scored)
    assert found.names == ["a.wav", "cours d'eau.wav"]
    assert found.scores.tolist() == [[1e-3, -2.0], [math.inf, 0.25]]
    assert (found.texts, found.rows) == (["x", "y, z"], [2, 3])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_matrix_through_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = "index,a.wav\n" + "".join(f"text {i},{i}\n" for i in range(5000))
    writing = threading.Thread(target=pipe.write_text, args=(text,))
    writing.start()
    found = read_predictions(pipe)
    writing.join()
    assert isinstance(found, Scored)
    assert found.scores[:, 0].tolist() == list(range(5000))


def test_line_breaks_in_texts_and_quoted_numbers(make) -> None:
    found = read_predictions(make("p.csv", "index,a,b", '"x', 'y",1,2', 'z,"3",4'))
    assert isinstance(found, Scored)
    assert found.texts == ["x\ny", "z"]
    assert found.scores.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([RANKED], "has a header and no rows"),
        ([RANKED, "x,a.wav,"], "row 2: there is no name in file_name_2"),
        (
            [RANKED, "x,a.wav,b.wav", "y,a&amp;b.wav,a&b.wav"],
            r"row 3 \(query 'y'\): 'a&b.wav' is",
        ),
        ([RANKED, "x,a.wav"], "row 2: 2 cells"),
        (["caption,file_name_2,file_name_1", "x,a.wav,b.wav"], "holds no predictions"),
        (["caption", "x"], "holds no predictions"),
        (["file_name,caption_1", "a.wav,x"], "holds no predictions"),
        (["query,audio_filenames", "x,['a.wav']"], "holds no predictions"),
        (["index,a.wav,b.wav"], "has a header and no rows"),
        (["index,a.wav,a.wav", "x,1,2"], "two columns are of the file 'a.wav'"),
        (["index,it&#39;s.wav,it's.wav", "x,1,2"], "two columns are of the file"),
        (["index,a.wav,", "x,1,2"], "column 3 has no file name"),
        (["index,a.wav,b.wav", "x,1,2", "y,1,nan"], r"row 3 \(query 'y'\): the score of 'b.wav'"),
        (["index,a.wav,b.wav", "x,1,high"], "the score of 'b.wav' is 'high', which is no number"),
        (["index,a.wav,b.wav", "x,,1"], "the score of 'a.wav' is '', which is no number"),
    ],
)
def test_what_holds_no_predictions(make, lines: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read_predictions(make("p.csv", *lines))
    assert "p.csv" in caught.value.message
