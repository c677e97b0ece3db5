"""RFC 9110: which bytes, and whether any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.serve.ranges import Part, Unsatisfiable, Validators, condition, wanted_part

NOW = Validators('"abc-original"', 1_700_000_000)
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
EARLIER = "Tue, 14 Nov 2023 22:13:19 GMT"


def test_the_date_of_the_examples() -> None:
    assert NOW.last_modified == DATE


@pytest.mark.parametrize(
    ("written", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=0-0", 0, 1),
        ("bytes=100-", 100, 1000),
        ("bytes=-1", 999, 1000),
        ("bytes=-5000", 0, 1000),
        ("bytes=990-5000", 990, 1000),
        ("BYTES=5-6", 5, 7),
        ("bytes=0-99999999999999999999999999", 0, 1000),
        ("bytes=,5-6, ", 5, 7),
    ],
)
def test_a_single_range(written: str, start: int, end: int) -> None:
    assert wanted_part({"range": written}, NOW, 1000) == Part(start, end, 1000)


def test_content_range_counts_from_0_and_includes_the_last() -> None:
    assert Part(0, 100, 1000).content_range == "bytes 0-99/1000"


@pytest.mark.parametrize(
    "written",
    [
        "bytes=9-5",
        "bytes=a-b",
        "bytes=",
        "bytes=-",
        "bytes",
        "bytes 0-5",
        "seconds=0-5",
        "bytes=0-1,5-6",
        "bytes=0-5-6",
        "bytes=+1-5",
        "bytes=٣-٥",
        "bytes=1.0-5",
        "",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_what_is_no_single_range_is_no_range(written: str) -> None:
    assert wanted_part({"range": written}, NOW, 1000) is None


@pytest.mark.parametrize("written", ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=9999-"])
def test_a_range_behind_the_end(written: str) -> None:
    with pytest.raises(Unsatisfiable):
        wanted_part({"range": written}, NOW, 1000)


def test_an_empty_representation_has_no_satisfiable_range() -> None:
    for written in ("bytes=0-", "bytes=-1"):
        with pytest.raises(Unsatisfiable):
            wanted_part({"range": written}, NOW, 0)


@pytest.mark.parametrize(
    ("if_range", "counts"),
    [
        (NOW.etag, True),
        (f"W/{NOW.etag}", False),
        ('"other"', False),
        (DATE, True),
        (EARLIER, False),
        ("nonsense", False),
    ],
)
def test_if_range(if_range: str, counts: bool) -> None:
    found = wanted_part({"range": "bytes=0-9", "if-range": if_range}, NOW, 1000)
    assert (found is not None) == counts


@given(
    content=st.binary(min_size=1, max_size=40),
    first=st.integers(0, 50) | st.none(),
    last=st.integers(0, 50) | st.none(),
)
def test_against_slices(content: bytes, first: int | None, last: int | None) -> None:
    written = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    try:
        part = wanted_part({"range": written}, NOW, len(content))
    except Unsatisfiable:
        assert (first is None and last == 0) or (first is not None and first >= len(content))
        return
    if part is None:
        invalid = first is None and last is None
        assert invalid or (first is not None and last is not None and last < first)
        return
    if first is None:
        assert last is not None
        expected = content[-last:]
    else:
        expected = content[first:] if last is None else content[first : last + 1]
    assert content[part.start : part.end] == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"if-none-match": NOW.etag}, 304),
        ({"if-none-match": f'"x", W/{NOW.etag}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"x"'}, 200),
        ({"if-none-match": '"x"', "if-modified-since": DATE}, 200),
        ({"if-modified-since": DATE}, 304),
        ({"if-modified-since": EARLIER}, 200),
        ({"if-modified-since": "nonsense"}, 200),
        ({"if-match": NOW.etag}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": '"x"'}, 412),
        ({"if-match": f"W/{NOW.etag}"}, 412),
        ({"if-match": f"W/{NOW.etag}, {NOW.etag}"}, 200),
        ({"if-match": NOW.etag, "if-unmodified-since": EARLIER}, 200),
        ({"if-unmodified-since": EARLIER}, 412),
        ({"if-unmodified-since": DATE}, 200),
        ({"if-match": '"x"', "if-none-match": NOW.etag}, 412),
    ],
)
def test_preconditions(headers: dict[str, str], expected: int) -> None:
    assert condition(headers, NOW) == expected


def test_if_none_match_of_an_unsafe_method_is_412() -> None:
    assert condition({"if-none-match": NOW.etag}, NOW, safe=False) == 412
    assert condition({"if-modified-since": DATE}, NOW, safe=False) == 200
