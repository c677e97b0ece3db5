"""The table is complete and usable by people who look for sounds in words."""

from __future__ import annotations

import re

import pytest

from soundseek.synth import KINDS
from soundseek.synth.kinds import _table


def test_there_are_many_kinds() -> None:
    assert len(KINDS) >= 60


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_describes_itself(name: str) -> None:
    kind = KINDS[name]
    assert kind.name == name
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
    assert re.fullmatch(r"[a-z]+", kind.folder)
    assert kind.caption[0].isupper()
    assert not kind.caption.endswith(".")
    assert len(kind.caption.split()) >= 3
    assert kind.keywords
    assert all(word == word.strip() and word for word in kind.keywords)
    assert 2 <= kind.duration_s <= 10


def test_captions_and_builders_are_not_repeated() -> None:
    assert len({kind.caption for kind in KINDS.values()}) == len(KINDS)
    assert len({kind.build for kind in KINDS.values()}) == len(KINDS)


def test_the_table_is_read_only() -> None:
    with pytest.raises(TypeError):
        KINDS["rain"] = KINDS["wind"]  # type: ignore[index]


def test_a_name_used_twice_is_an_error() -> None:
    rain = KINDS["rain"]
    row = ("rain", "nature", 5.0, rain.build, "Rain", "rain")
    with pytest.raises(ValueError, match="'rain'"):
        _table(row, row)
