from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.augment.captions import for_clips, merge_captions, read_extra_captions
from soundseek.lab.data.manifest import Clip

pytestmark = pytest.mark.lab


def clip(name: str, path: str, *captions: str) -> Clip:
    return Clip(
        id=name,
        path=path,
        duration_s=1.0,
        captions=captions,
        source="test",
        split="train",
        licence="CC0",
        group=name,
    )


CLIPS = [
    clip("17", "a/017.wav", "rain falls"),
    clip("x/18", "a/18.wav", "wind"),
    clip("y/18", "b\\18.wav", "hail"),
]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("e.csv", 'id,caption\n17," It pours. "\nx/18,"a gale, far"\n17,drops\n17,drops\n'),
        (
            "e.csv",
            '\ufeffcaption_1,caption_2,id,note\nIt pours.,drops,17,n\n,"a gale, far",x/18,\n',
        ),
        (
            "e.jsonl",
            '{"id": 17, "captions": ["It pours.", "drops"]}\n\n'
            '{"id": "x/18", "caption": "a gale, far"}\n',
        ),
    ],
)
def test_rows_of_every_form(tmp_path: Path, name: str, text: str) -> None:
    extra = read_extra_captions(written(tmp_path, name, text))
    assert extra.key == "id"
    assert extra.captions == {"17": ("It pours.", "drops"), "x/18": ("a gale, far",)}


def test_extra_captions_stand_behind_the_clip_s_own(tmp_path: Path) -> None:
    text = "id,caption\n17,it pours\n17,rain falls\n18,lost\n99,lost too\n"
    clips, report = merge_captions(CLIPS, read_extra_captions(written(tmp_path, "e.csv", text)))
    assert [c.captions for c in clips] == [("rain falls", "it pours"), ("wind",), ("hail",)]
    assert [c.id for c in clips] == [c.id for c in CLIPS]
    assert (report.added, report.repeated) == (1, 1)
    assert (report.unknown, report.ambiguous) == (("18", "99"), ())
    assert str(report) == (
        "1 captions added, 1 were there already, 2 names that no clip has, such as 18"
    )


def test_file_names_that_several_clips_have_get_nothing(tmp_path: Path) -> None:
    """Names are strings: 017 is not 17, whatever a table programme thinks."""
    text = "file_name,caption\n18.wav,whose?\n017.wav,it pours\n17.wav,no\n"
    extra = read_extra_captions(written(tmp_path, "e.csv", text))
    found, report = for_clips(CLIPS, extra)
    assert found == {"17": ("it pours",)}
    assert report.ambiguous == ("18.wav",)
    assert report.unknown == ("17.wav",)
    assert "1 names of several clips, such as 18.wav" in str(report)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("e.csv", "id,caption\n1,x\n,y\n", "line 3 does not name a clip"),
        ("e.csv", "id,caption\n1,x\n2, \n", "line 3 does not name a caption"),
        ("e.csv", "id,text\n1,x\n", "line 2 does not name a caption"),
        ("e.csv", "id,caption\n", "holds no captions"),
        ("e.csv", "id,file_name,caption\n1,,x\n,b.wav,y\n", "some by file_name"),
        ("e.jsonl", '{"id": "1", "caption": "x"}\n{"id"\n', "line 2 is not JSON"),
        ("e.jsonl", "[1]\n", "line 1 is not a JSON object"),
        ("e.jsonl", '{"id": "1", "caption": 5}\n', "line 1 does not name a caption"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_extra_captions(written(tmp_path, name, text))
    assert name in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no captions at .*absent\.csv"):
        read_extra_captions(tmp_path / "absent.csv")
