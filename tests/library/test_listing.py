"""All files of a library, to be browsed: beside a plain reading of the rows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.errors import QueryError
from soundseek.library.database import Database
from soundseek.library.listing import ORDERS, Listing
from soundseek.library.query import Filters
from support.vector_library import Clip, add_clips, new_database

FOLDERS = ("/s/a", "/s/a/deep", "/s/a-b", "/s/b", "/t")
FORMATS = ("wav", "mp3", "flac")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    made = new_database(tmp_path_factory.mktemp("listing"), 4)
    rng = np.random.default_rng(0)
    clips = [
        Clip(
            rng.standard_normal((1, 4)),
            [f"{FOLDERS[int(rng.integers(5))]}/{number * 7 % 40:02}.x"],
            duration_s=float(rng.integers(1, 6)),
            format=FORMATS[int(rng.integers(3))],
            state="present" if number % 8 else "missing",
        )
        for number in range(40)
    ]
    clips.append(Clip(rng.standard_normal((1, 4)), ["/s/copy1", "/s/copy2"], duration_s=9.0))
    add_clips(made, clips)
    return made


def rows(database: Database) -> list[dict]:
    found = database.query(
        "SELECT files.id, path, duration_s, format, clip_id FROM files JOIN clips"
        " ON clips.id = clip_id WHERE state = 'present' ORDER BY path"
    )
    return [
        dict(zip(("id", "path", "seconds", "format", "clip"), row, strict=True)) for row in found
    ]


@settings(max_examples=60, deadline=None)
@given(
    least=st.none() | st.integers(0, 6),
    most=st.none() | st.integers(0, 6),
    folders=st.lists(st.sampled_from([*FOLDERS, "/s", "/", "/none"]), max_size=2),
    formats=st.lists(st.sampled_from([*FORMATS, "other"]), max_size=2),
    order=st.sampled_from(ORDERS),
    offset=st.integers(0, 45),
    limit=st.integers(0, 45),
)
def test_pages_are_those_of_a_plain_reading(
    database: Database, least, most, folders, formats, order, offset, limit
) -> None:
    filters = Filters(least, most, tuple(map(os.fsencode, folders)), tuple(formats))
    expected = [
        row
        for row in rows(database)
        if (least is None or row["seconds"] >= least)
        and (most is None or row["seconds"] <= most)
        and (not formats or row["format"] in formats)
        and (
            not folders
            or any(row["path"].startswith(os.fsencode(f.rstrip("/") + "/")) for f in folders)
        )
    ]
    if order == "duration":
        expected.sort(key=lambda row: row["seconds"])
    elif order == "newest":
        expected.sort(key=lambda row: -row["id"])
    total, ids = Listing.of(database).page(filters, order=order, offset=offset, limit=limit)
    assert total == len(expected)
    assert ids == [row["id"] for row in expected[offset : offset + limit]]


def test_facets(database: Database) -> None:
    listing = Listing.of(database)
    formats = [row["format"] for row in rows(database)]
    assert dict(listing.format_counts) == {name: formats.count(name) for name in set(formats)}
    assert listing.seconds == sum({row["clip"]: row["seconds"] for row in rows(database)}.values())


def test_folders_are_counted_with_all_below_them(database: Database) -> None:
    paths = [os.fsdecode(row["path"]) for row in rows(database)]
    expected = [
        (folder, sum(path.startswith(f"{folder}/") for path in paths))
        for folder in ("/s", "/s/a", "/s/a-b", "/s/a/deep", "/s/b")
    ]
    listing = Listing.of(database)
    assert listing.folder_counts([b"/s", b"/none"]) == sorted(expected)
    assert [name for name, _ in listing.folder_counts([b"/s"], depth=1)] == [
        "/s",
        "/s/a",
        "/s/a-b",
        "/s/b",
    ]
    assert listing.folder_counts([b"/s"], most=1) == [("/s", dict(expected)["/s"])]


def test_an_empty_library(tmp_path: Path) -> None:
    listing = Listing.of(new_database(tmp_path, 4))
    assert listing.page(Filters()) == (0, [])
    assert (listing.format_counts, listing.seconds, len(listing)) == ((), 0.0, 0)


def test_an_unknown_order_is_refused(database: Database) -> None:
    with pytest.raises(QueryError, match="sorted by 'size'"):
        Listing.of(database).page(Filters(), order="size")  # type: ignore[arg-type]
