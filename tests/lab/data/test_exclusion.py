from __future__ import annotations

import json
from pathlib import Path

import pytest

from soundseek.errors import DataError, RecipeError
from soundseek.lab.data.exclusion import (
    STANDARD,
    ExclusionList,
    exclude,
    read_list,
    standard,
    union,
)
from support.corpora import make_clip, write_csv

pytestmark = pytest.mark.lab


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


CLIPS = [
    make_clip("by-id", freesound_id="42"),
    make_clip("by-youtube", youtube_id="r1nicOVtvkQ"),
    make_clip("by-name", path="/sounds/Chris' Elevator.flac"),
    make_clip("other", freesound_id="43"),
    make_clip("nameless"),
]


def kept_by(*lists: ExclusionList) -> list[str]:
    return [clip.id for clip in exclude(CLIPS, lists)[0]]


@pytest.mark.parametrize("number", [42, "42", 42.0, " 42 "])
def test_ids_meet_as_text_whichever_type_they_were(tmp_path: Path, number: object) -> None:
    listed = read_list(written(tmp_path, "list.json", {"FreeSound": [number]}))
    assert kept_by(listed) == ["by-youtube", "by-name", "other", "nameless"]
    numbers_in_the_manifest = [make_clip("a", freesound_id=42), make_clip("b")]
    kept, _ = exclude(numbers_in_the_manifest, [listed])
    assert [clip.id for clip in kept] == ["b"]


def test_not_found_excludes_no_clip_without_an_id(tmp_path: Path) -> None:
    listed = read_list(written(tmp_path, "list.json", {"FreeSound": ["Not found", "", "42"]}))
    assert listed.freesound_ids == {"42"}
    careless = [make_clip("a", freesound_id="Not found"), make_clip("b", freesound_id="42")]
    kept, report = exclude(careless, [listed])
    assert [clip.id for clip in kept] == ["a"]
    assert report.excluded[0].kind == "Freesound id"


def test_audioset_names_meet_youtube_ids(tmp_path: Path) -> None:
    listed = read_list(written(tmp_path, "list.json", {"AudioSet": ["Yr1nicOVtvkQ.wav"]}))
    assert kept_by(listed) == ["by-id", "by-name", "other", "nameless"]


def test_a_table_gives_ids_and_file_names(tmp_path: Path) -> None:
    rows = [
        {"file_name": "Chris&#39; Elevator.wav", "sound_id": "Not found"},
        {"file_name": "else.wav", "sound_id": "42"},
    ]
    listed = read_list(write_csv(tmp_path / "metadata.csv", rows))
    assert kept_by(listed) == ["by-youtube", "other", "nameless"]


def test_a_table_of_ids_alone(tmp_path: Path) -> None:
    listed = read_list(written(tmp_path, "ids.csv", "sound_id\n42\n43\n"))
    assert kept_by(listed) == ["by-youtube", "by-name", "nameless"]


def test_a_plain_list(tmp_path: Path) -> None:
    lines = "# heard before\n42\n\nYr1nicOVtvkQ.wav\nchris' elevator.wav\n"
    assert kept_by(read_list(written(tmp_path, "list.txt", lines))) == ["other", "nameless"]


def test_a_number_with_an_ending_is_a_file_and_no_id(tmp_path: Path) -> None:
    listed = read_list(written(tmp_path, "list.txt", "42.wav\n"))
    assert (listed.freesound_ids, listed.file_keys) == (frozenset(), {"42"})


def test_a_list_that_excludes_nothing_is_an_error() -> None:
    useful = ExclusionList("useful", freesound_ids=frozenset({"42"}))
    idle = ExclusionList("idle", freesound_ids=frozenset({"7"}))
    with pytest.raises(DataError, match=r"^idle excluded nothing of 5 clips \(2 with a Freesound"):
        exclude(CLIPS, [useful, idle])
    kept, report = exclude(CLIPS, [useful, idle], must_exclude=False)
    assert len(kept) == 4
    assert report.excluded_nothing == ("idle",)


def test_a_clip_on_two_lists_makes_neither_idle() -> None:
    first = ExclusionList("first", freesound_ids=frozenset({"42"}))
    second = ExclusionList("second", freesound_ids=frozenset({"42"}))
    _, report = exclude(CLIPS, [first, second])
    assert report.excluded_nothing == ()
    assert [(item.clip, item.by) for item in report.excluded] == [("by-id", "first")]


def test_the_report_counts() -> None:
    listed = ExclusionList("x", frozenset({"42"}), frozenset({"r1nicOVtvkQ"}))
    assert exclude(CLIPS, [listed])[1].to_dict() == {
        "excluded": 2,
        "by_list": {"x": 2},
        "by_kind": {"Freesound id": 1, "YouTube id": 1},
        "excluded_nothing": [],
        "kept_without_freesound_id": 2,
        "clips": ["by-id", "by-youtube"],
    }


def test_union() -> None:
    joined = union(
        "both",
        [
            ExclusionList("a", frozenset({"1"}), frozenset({"y"}), frozenset({"f"})),
            ExclusionList("b", frozenset({"1", "2"})),
        ],
    )
    assert joined == ExclusionList(
        "both", frozenset({"1", "2"}), frozenset({"y"}), frozenset({"f"})
    )
    assert len(joined) == 4


def test_a_standard_set_is_the_union_of_its_files(tmp_path: Path) -> None:
    blacklist, ids = STANDARD["clotho_all"]
    written(tmp_path, blacklist, {"AudioSet": ["Yr1nicOVtvkQ.wav"], "FreeSound": ["42"]})
    with pytest.raises(DataError, match=f"lacks {ids}"):
        standard("clotho_all", tmp_path)
    written(tmp_path, ids, "sound_id\n43\n")
    listed = standard("clotho_all", tmp_path)
    assert listed.name == "clotho_all"
    assert kept_by(listed) == ["by-name", "nameless"]
    with pytest.raises(RecipeError, match="did you mean 'clotho_all'"):
        standard("clotho-all", tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("list.json", {"else": []}, "no exclusion list"),
        ("list.json", "[1, 2]", "no exclusion list"),
        ("list.json", {"FreeSound": ["Not found"]}, "lists nothing"),
        ("list.csv", "else\n1\n", "no column to exclude by: it has else"),
        ("list.txt", "# nothing\n", "lists nothing"),
    ],
)
def test_what_is_no_list(tmp_path: Path, name: str, content: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_list(written(tmp_path, name, content))


def test_a_missing_list(tmp_path: Path) -> None:
    for name in ("none.json", "none.csv", "none.txt"):
        with pytest.raises(DataError, match=f"cannot read .*{name}"):
            read_list(tmp_path / name)
