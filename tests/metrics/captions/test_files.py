from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from soundseek.errors import DataError
from soundseek.metrics.captions import (
    evaluate_captions,
    read_captions,
    read_scores,
    write_per_clip,
)
from support.captions import PREDICTIONS, REFERENCES


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_one_table_for_both_sides(tmp_path: Path) -> None:
    path = written(
        tmp_path / "both.csv",
        'id,prediction,reference_1,reference_2\n1,"a, b",c,d\n02,,“é” 鳥, \n',
    )
    table = read_captions(path)
    assert table.predictions == {"1": "a, b", "02": ""}
    assert table.references == {"1": ["c", "d"], "02": ["“é” 鳥"]}


def test_layouts_of_clotho_and_of_the_challenge(tmp_path: Path) -> None:
    clotho = read_captions(
        written(tmp_path / "clotho.csv", "file_name,caption_1,caption_2\nowl&#39;s.wav,a,b\n")
    )
    assert (clotho.predictions, clotho.references) == (None, {"owl's.wav": ["a", "b"]})
    challenge = read_captions(
        written(tmp_path / "mine.tsv", "file_name\tcaption_predicted\nowl's.wav\ta, b\n")
    )
    assert (challenge.predictions, challenge.references) == ({"owl's.wav": "a, b"}, None)
    plain = read_captions(written(tmp_path / "plain.csv", "caption,id\nx,1\n"))
    assert plain.predictions == {"1": "x"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_and_mark(encoding: str, end: str, tmp_path: Path) -> None:
    text = end.join(["id,prediction,reference_1", "1,Vögel,鳥", "", '2,"two\nlines",x', ""])
    table = read_captions(written(tmp_path / "both.csv", text, encoding))
    assert table.predictions is not None
    assert [*table.predictions] == ["1", "2"]
    assert table.predictions["1"] == "Vögel"
    assert table.references == {"1": ["鳥"], "2": ["x"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("id,prediction\n", "no rows"),
        ("prediction,reference_1\na,b\n", "no column for the clip"),
        ("id,file_name,prediction\n1,2,b\n", "several columns for the clip"),
        ("id,prediction,caption\n1,2,b\n", "which is the prediction"),
        ("id,prediction,refrence_1\n1,2,b\n", "column 'refrence_1' is unknown"),
        ("id,prediction,prediction\n1,2,b\n", "two columns are named 'prediction'"),
        ("id\n1\n", "neither prediction nor references"),
        ("id,prediction\n1,a\n2,b\n1,c\n", "row 4: row 2 is of the clip '1', too"),
        ("id,prediction\n,a\n", "row 2: there is no id"),
        ("id,prediction,reference_1\n1,a, \n", "row 2: the clip '1' has no reference"),
        ("id,prediction\n1,a,b\n", "row 2: 3 cells, but the header has 2"),
        ('id,prediction\n1,"a\n', "is no CSV"),
        ("id;prediction\n1;a\n", "holds no comma"),
    ],
)
def test_tables_that_do_not_fit(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_captions(written(tmp_path / "x.csv", text))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_other_encodings_are_refused(encoding: str, tmp_path: Path) -> None:
    path = written(tmp_path / "x.csv", "id,prediction\n1,Vögel\n", encoding)
    with pytest.raises(DataError, match="not in UTF-8"):
        read_captions(path)


def test_a_pipe_will_do(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"id\tprediction\n1\ta\n")
    os.close(writing)
    assert read_captions(Path(f"/dev/fd/{reading}")).predictions == {"1": "a"}
    os.close(reading)


def test_scores_from_elsewhere(tmp_path: Path) -> None:
    table = written(tmp_path / "spice.csv", "id,spice,other\n1,0.5,x\n2,0,y\n")
    assert read_scores(table, "spice") == {"1": 0.5, "2": 0.0}
    document = {"spice": {"corpus": 0.2, "per_clip": {"1": 0.5, "2": 0}}}
    kept = written(tmp_path / "scores.json", json.dumps(document))
    assert read_scores(kept, "spice") == {"1": 0.5, "2": 0.0}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "id,cider\n1,2\n", "no column for its score"),
        ("x.csv", "id,spice\n1,much\n", "spice of the clip '1' is 'much', no number"),
        ("x.csv", "id,spice\n1,1\n1,1\n", "row 3: the clip '1' is there twice"),
        ("x.json", "{}", "holds no spice a clip"),
        ("x.json", "[", "holds no spice a clip"),
        ("x.json", '{"spice": {"per_clip": {"1": null}}}', "no number"),
    ],
)
def test_scores_that_do_not_fit(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_scores(written(tmp_path / name, text), "spice")


def test_what_is_written_a_clip_is_read_again(tmp_path: Path) -> None:
    found = evaluate_captions(PREDICTIONS, REFERENCES, meteor=False)
    path = tmp_path / "clips.csv"
    write_per_clip(path, PREDICTIONS, found)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["prediction"] for row in rows] == list(PREDICTIONS.values())
    assert "vocabulary" not in rows[0]
    for name in ("bleu_4", "rouge_l", "cider"):
        per_clip = found.metrics[name].per_clip
        assert read_scores(path, name) == pytest.approx(per_clip, abs=1e-6)
