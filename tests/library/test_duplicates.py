"""Identical files and versions of one sound."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from soundseek.errors import LibraryError, QueryError
from soundseek.library import duplicates
from soundseek.library.database import Database
from soundseek.library.duplicates import DuplicateGroup, find_duplicates
from support.vector_library import Clip, add_clips, new_database, unit


@pytest.fixture
def database(tmp_path: Path):
    database = new_database(tmp_path, 3)
    yield database
    database.close()


def _paths(groups: list[DuplicateGroup]) -> list[tuple[str, list[str]]]:
    return [(group.kind, [file.path for file in group.files]) for group in groups]


def test_nothing_in_an_empty_library(database: Database) -> None:
    assert find_duplicates(database) == []


def test_identical_files_come_first_then_near_ones(database: Database) -> None:
    add_clips(
        database,
        [
            Clip([1, 0, 0], ["/s/a.wav"], duration_s=3.0),
            Clip([1, 0.05, 0], ["/s/a.mp3"], duration_s=3.05, format="mp3"),
            Clip([0, 1, 0], ["/s/b.wav", "/s/b copy.wav"], duration_s=3.0),
            Clip([0, 0, 1], ["/s/alone.wav"], duration_s=3.0),
        ],
    )
    groups = find_duplicates(database)
    assert _paths(groups) == [
        ("exact", ["/s/b copy.wav", "/s/b.wav"]),
        ("near", ["/s/a.mp3", "/s/a.wav"]),
    ]
    exact, near = groups
    assert exact.similarity == 1.0
    assert exact.files[0].sha256 == exact.files[1].sha256
    assert near.similarity == pytest.approx(1 / np.sqrt(1 + 0.05**2), abs=1e-3)
    assert near.files[0].sha256 != near.files[1].sha256
    assert [file.format for file in near.files] == ["mp3", "wav"]
    assert json.loads(json.dumps(near.to_dict()))["files"][0]["duration_s"] == 3.05


def test_copies_and_versions_are_one_group(database: Database) -> None:
    add_clips(
        database,
        [
            Clip([1, 0, 0], ["/s/a.wav", "/s/a copy.wav"], duration_s=3.0),
            Clip([1, 0, 0.01], ["/s/a.ogg"], duration_s=3.0),
        ],
    )
    assert _paths(find_duplicates(database)) == [
        ("near", ["/s/a copy.wav", "/s/a.ogg", "/s/a.wav"])
    ]
    assert _paths(find_duplicates(database, threshold=1)) == [
        ("exact", ["/s/a copy.wav", "/s/a.wav"])
    ]


def test_missing_files_do_not_count(database: Database) -> None:
    add_clips(
        database,
        [
            Clip([1, 0, 0], ["/s/a.wav"], duration_s=3.0),
            Clip([1, 0, 0.01], ["/s/gone.wav"], duration_s=3.0, state="missing"),
        ],
    )
    assert find_duplicates(database) == []


@pytest.mark.parametrize(
    ("first_s", "second_s", "alike"),
    [(3.0, 3.2, True), (3.0, 3.4, False), (600.0, 611.0, True), (600.0, 613.0, False)],
)
def test_lengths_must_agree(
    database: Database, first_s: float, second_s: float, alike: bool
) -> None:
    add_clips(
        database,
        [
            Clip([1, 0, 0], ["/s/a.wav"], duration_s=second_s),
            Clip([1, 0, 0.001], ["/s/b.wav"], duration_s=first_s),
        ],
    )
    assert bool(find_duplicates(database)) is alike


def test_threshold(database: Database) -> None:
    add_clips(
        database,
        [Clip([1, 0, 0], ["/s/a.wav"]), Clip([1, 0.3, 0], ["/s/b.wav"])],  # cosine 0.958
    )
    assert find_duplicates(database, threshold=0.95) != []
    assert find_duplicates(database, threshold=0.97) == []
    for threshold in (0, -1, 1.01, float("nan")):
        with pytest.raises(QueryError, match="threshold"):
            find_duplicates(database, threshold=threshold)


@pytest.mark.parametrize("block", [1, 2, 5, 512])
def test_groups_equal_those_of_a_naive_search(
    database: Database, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(duplicates, "_BLOCK_CLIPS", block)
    rng = np.random.default_rng(1)
    vectors = unit(rng.standard_normal((60, 3)))
    lengths = rng.choice([1.0, 1.2, 1.4, 5.0], 60)
    add_clips(
        database,
        [
            Clip(vector, [f"/s/{number:02}.wav"], duration_s=length)
            for number, (vector, length) in enumerate(zip(vectors, lengths, strict=True))
        ],
    )
    threshold = 0.97
    groups = {number: {number} for number in range(60)}
    for left in range(60):
        for right in range(60):
            near_in_time = abs(lengths[left] - lengths[right]) <= 0.25
            if near_in_time and vectors[left] @ vectors[right] >= threshold:
                joined = groups[left] | groups[right]
                groups.update(dict.fromkeys(joined, joined))
    naive = {frozenset(group) for group in groups.values() if len(group) > 1}
    found = find_duplicates(database, threshold=threshold)
    assert {
        frozenset(int(Path(file.path).stem) for file in group.files) for group in found
    } == naive
    assert all(threshold - 1e-3 <= group.similarity <= 1 for group in found)


def test_a_thousand_silent_clips_are_one_group(database: Database) -> None:
    add_clips(
        database,
        [Clip([1, 0, 0], [f"/s/{number}.wav"], duration_s=2.0) for number in range(1000)],
    )
    (group,) = find_duplicates(database)
    assert len(group.files) == 1000
    assert group.similarity == pytest.approx(1.0)


def test_damaged_vectors_are_named(database: Database) -> None:
    add_clips(database, [Clip([1, 0, 0], ["/s/a.wav"])])
    with database.transaction() as connection:
        connection.execute("UPDATE clips SET vector = x'00'")
    with pytest.raises(LibraryError, match=r"clip 1 .* damaged"):
        find_duplicates(database)
