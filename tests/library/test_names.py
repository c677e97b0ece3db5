"""Searching in names: which words count, and that any text is safe."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundseek.library.database import Database
from soundseek.library.names import match_names, query_words
from soundseek.library.query import Filters
from support.vector_library import Clip, add_clips, new_database

ANY_FILE = Filters()
PATHS = {
    "dog": "/s/animals/dog_growl01.wav",
    "dogs": "/s/animals/DogGrowl-distant.flac",
    "rain": "/s/weather/rain.wav",
    "storm": "/s/weather/thunderstorm_3.wav",
    "accent": "/s/voices/Café Müller.wav",
    "kana": "/s/voices/雨の音.wav",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory):
    database = new_database(tmp_path_factory.mktemp("names"), 2)
    add_clips(
        database,
        [
            Clip([1, number], [path], tags=["wet"] if name == "rain" else [])
            for number, (name, path) in enumerate(PATHS.items())
        ],
    )
    yield database
    database.close()


def _matches(database: Database, text: str, filters: Filters = ANY_FILE) -> dict[str, float]:
    found = match_names(database, text, filters, len(PATHS))
    names = list(PATHS)
    return {
        names[int(clip_id) - 1]: float(covered)
        for clip_id, covered in zip(found.clip_ids, found.coverage, strict=True)
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dog", {"dog", "dogs"}),
        ("the DOG!", {"dog", "dogs"}),
        ("thunder", {"storm"}),  # the start of a longer word
        ("thu", set()),  # too short to stand for one
        ("animals", {"dog", "dogs"}),  # a folder
        ("wet", {"rain"}),  # a tag
        ("cafe muller", {"accent"}),
        ("CAFÉ", {"accent"}),
        ("雨の音", {"kana"}),
        ("01", {"dog"}),
        ("", set()),
        ("the of and", set()),
        ("zzz", set()),
    ],
)
def test_finds_names(database: Database, text: str, expected: set[str]) -> None:
    assert _matches(database, text).keys() == expected


def test_coverage_grows_with_the_words_that_match(database: Database) -> None:
    found = _matches(database, "distant dog in the rain")
    assert found["dogs"] > found["rain"] > found["dog"] > 0
    assert _matches(database, "dog distant") == pytest.approx(
        {"dogs": 1.0, "dog": 0.416}, abs=0.001
    )


def test_words_that_no_name_has_count_against(database: Database) -> None:
    assert _matches(database, "dog")["dog"] == pytest.approx(1)
    assert _matches(database, "dog symphony orchestra")["dog"] < 0.3


def test_only_files_that_pass_the_filters(database: Database) -> None:
    assert _matches(database, "dog", Filters(folders=(b"/s/weather",))) == {}
    assert _matches(database, "rain", Filters(folders=(b"/s/weather",))).keys() == {"rain"}


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(max_size=40))
def test_any_text_is_safe(database: Database, text: str) -> None:
    assert all(0 < covered <= 1.000001 for covered in _matches(database, text).values())


@pytest.mark.parametrize(
    "text", ['dog" OR "rain', "dog AND", "NEAR(dog)", "name: dog", "dog*", "-dog", "^dog", "dog\0x"]
)
def test_operators_are_words(database: Database, text: str) -> None:
    assert "dog" in _matches(database, text)


def test_words_of_a_query() -> None:
    assert query_words("A Dog barks, the DOG growls") == ("dog", "barks", "growls")
    assert len(query_words(" ".join(f"w{'x' * number}" for number in range(100)))) == 32


def test_missing_files_are_not_matched(tmp_path: Path) -> None:
    database = new_database(tmp_path, 2)
    add_clips(database, [Clip([1, 0], ["/s/dog.wav"], state="missing")])
    assert match_names(database, "dog", Filters(), 1).clip_ids.size == 0
    database.close()
