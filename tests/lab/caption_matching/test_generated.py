from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soundseek.errors import DataError
from soundseek.lab.caption_matching.generated import generated_for, read_generated

pytestmark = pytest.mark.lab


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_another_layout_is_refused(tmp_path: Path) -> None:
    file = table(tmp_path / "a.csv", "clip,words", "a,b")
    with pytest.raises(DataError, match=r"columns clip, words\n.*id or file_name and caption_pred"):
        read_generated(file)
    file.write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"columns \n"):
        read_generated(file)
    with pytest.raises(DataError, match=r"no captions at .*\n.*soundseek caption"):
        read_generated(tmp_path / "none.csv")
    file.write_bytes(b"id,caption\na,caf\xe9\n")
    with pytest.raises(DataError, match="not in UTF-8"):
        read_generated(file)


def test_captions_hold_commas_quotes_and_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('\ufeffid,caption\na,"rain, and ""wind"""\nb,bell\n', encoding="utf-8")
    assert read_generated(file) == {"a": ['rain, and "wind"'], "b": ["bell"]}


def test_rows_that_do_not_fit_name_their_line(tmp_path: Path) -> None:
    for row, cells in (("b", 1), ("b,rain, and wind", 3)):
        file = table(tmp_path / "a.csv", "id,caption", "a,bell", row)
        with pytest.raises(DataError, match=rf"line 3: {cells} cells, .* has 2\n.*double quotes"):
            read_generated(file)


def test_a_clip_may_have_several_rows_and_several_captions_in_each(tmp_path: Path) -> None:
    windows = table(
        tmp_path / "a.csv",
        "id\tstart_s\tcaption_predicted",
        "a\t0\train",
        "b\t0\t",
        "a\t10\twind",
        "",
        "a\t20\train",
    )
    assert read_generated(windows) == {"a": ["rain", "wind", "rain"], "b": [""]}
    printed = table(
        tmp_path / "c.csv",
        "path,file_name,start_s,end_s,caption,score",
        "x/a.wav,a.wav,0,10,rain,-1.5",
        "x/a.wav,a.wav,10,20,wind,-2.5",
    )
    assert read_generated(printed) == {"a.wav": ["rain", "wind"]}
    columns = table(
        tmp_path / "b.csv", "file_name,caption_1,caption_2", "x.wav,rain,wind", "y.wav,,", "z,,bell"
    )
    assert read_generated(columns) == {"x.wav": ["rain", "wind"], "y.wav": [""], "z": ["bell"]}


def test_a_captioning_runs_folder_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no captions at .*captions\.csv\n.*come to its end"):
        read_generated(tmp_path)
    table(tmp_path / "captions.csv", "id,caption_predicted", "a,rain")
    assert read_generated(tmp_path) == {"a": ["rain"]}


def test_captions_are_found_by_id_before_the_files_name(make_clip: Callable[..., Any]) -> None:
    clips = [make_clip("a"), make_clip("b"), make_clip("c")]
    written = {"a": ["rain"], "a.wav": ["other"], "b.wav": ["bell", "rain"], "c": ["", "?"]}
    found = generated_for(clips, written, "t.csv")
    assert found.texts == ["bell", "rain"]
    assert found.of_clip == [[1], [0, 1], []]
    assert found.occurrences == [1, 2]
    assert (found.without_words, found.silent, found.unused) == (2, 1, 1)
    assert found.told() == (
        "3 captions, 2 different ones; 2 hold no word, 1 clips have no other; 1 are of other clips"
    )


def test_clips_of_which_nothing_is_said(make_clip: Callable[..., Any]) -> None:
    clips = [make_clip("a"), make_clip("b")]
    with pytest.raises(DataError, match=r"t\.csv has no caption for 1 of 2 clips, such as b"):
        generated_for(clips, {"a": ["rain"]}, "t.csv")
    with pytest.raises(DataError, match="no caption of the 2 clips holds a word"):
        generated_for(clips, {"a": ["…"], "b": [""]}, "t.csv")


def test_a_file_name_of_two_clips_names_neither(make_clip: Callable[..., Any]) -> None:
    clips = [make_clip("a", path="/x/1.wav"), make_clip("b", path="/y/1.wav")]
    with pytest.raises(DataError, match=r"names 1\.wav, which 2 clips are called: a, b\n.*by id"):
        generated_for(clips, {"1.wav": ["rain"]}, "t.csv")
    found = generated_for(clips, {"a": ["rain"], "b": ["wind"]}, "t.csv")
    assert found.of_clip == [[0], [1]]
