"""What a query may be, and what is refused."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from soundseek.errors import QueryError
from soundseek.library.query import (
    MAX_CHARACTERS,
    Filters,
    as_list,
    checked_filters,
    checked_query,
    path_spellings,
)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"text": ""}, "empty"),
        ({"text": " \t\n"}, "empty"),
        ({"text": None}, "nothing to search for"),
        ({"text": "rain", "without": "  "}, "unwanted sound is empty"),
        ({"text": "rain " * 10_000}, "50,000 characters"),
        ({"text": "x" * (MAX_CHARACTERS + 1)}, "2,001 characters"),
        ({"text": "rain", "k": 0}, "k is 0"),
        ({"text": "rain", "k": -3}, "k is -3"),
        ({"text": "rain", "like": "a.wav", "like_weight": 1.5}, "like_weight is 1.5"),
        ({"text": "rain", "like": "a.wav", "like_weight": float("nan")}, "like_weight is nan"),
    ],
)
def test_senseless_queries_are_refused(changes: dict, part: str) -> None:
    with pytest.raises(QueryError, match=part) as caught:
        checked_query(**changes)
    assert caught.value.remedy


def test_the_longest_text_passes() -> None:
    assert checked_query("x" * MAX_CHARACTERS).k == 10
    assert checked_query(None, like=Path("a.wav")).like == "a.wav"


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"min_duration": 5, "max_duration": 2}, "at least 5 s and at most 2 s"),
        ({"min_duration": -1}, "min_duration is -1"),
        ({"max_duration": float("nan")}, "max_duration is nan"),
        ({"max_duration": float("inf")}, "max_duration is inf"),
    ],
)
def test_senseless_filters_are_refused(changes: dict, part: str) -> None:
    with pytest.raises(QueryError, match=part):
        checked_filters(**changes)


def test_formats_and_single_values_are_understood() -> None:
    assert checked_filters(formats=[".WAV", "wav", "Flac"]).formats == ("wav", "flac")
    assert checked_filters(formats="mp3").formats == ("mp3",)
    assert checked_filters(folders="/sounds").folders == (b"/sounds",)


def test_folders_are_spelt_absolute_and_with_links_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    assert path_spellings("link/../link/a") == (
        os.fsencode(tmp_path / "link" / "a"),
        os.fsencode(tmp_path / "real" / "a"),
    )


def _passes(path: bytes, filters: Filters) -> bool:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE files (path BLOB, state TEXT, clip_id INTEGER)")
    connection.execute("INSERT INTO files VALUES (?, 'present', 1)", (path,))
    condition, parameters = filters.condition()
    rows = connection.execute(f"SELECT 1 FROM files WHERE {condition}", parameters).fetchall()
    connection.close()
    return bool(rows)


@pytest.mark.parametrize(
    ("path", "passes"),
    [
        (b"/sounds/rain/a.wav", True),
        (b"/sounds/rain/\xff\xfe/deep.wav", True),
        (b"/sounds/rain2/a.wav", False),
        (b"/sounds/rain.wav", False),
        (b"/sounds/rain", False),
        (b"/other/sounds/rain/a.wav", False),
    ],
)
def test_a_folder_is_all_below_it_and_nothing_beside(path: bytes, passes: bool) -> None:
    assert _passes(path, Filters(folders=(b"/sounds/rain",))) is passes


def test_the_root_folder_is_everything() -> None:
    assert _passes(b"/a.wav", Filters(folders=(b"/",)))


def test_any_of_several_folders_will_do() -> None:
    filters = Filters(folders=(b"/a", b"/b"))
    assert _passes(b"/b/x.wav", filters)
    assert not _passes(b"/c/x.wav", filters)


def test_a_query_of_the_wrong_type_is_named() -> None:
    with pytest.raises(QueryError, match="the query is of type int"):
        checked_query(5)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match=r"k is 1\.5"):
        checked_query("rain", k=1.5)  # type: ignore[arg-type]


def test_one_value_is_not_its_characters(tmp_path: Path) -> None:
    assert as_list("wav") == ["wav"]
    assert as_list(tmp_path) == [tmp_path]
    assert as_list(("a", "b")) == ["a", "b"]
    assert checked_filters(formats="wav", folders="/x") == checked_filters(
        formats=["wav"], folders=["/x"]
    )
