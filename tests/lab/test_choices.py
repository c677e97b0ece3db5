from __future__ import annotations

import pytest

pytest.importorskip("torch")

from soundseek.errors import RecipeError
from soundseek.lab.choices import chosen

pytestmark = pytest.mark.lab

TABLE = {"mobile": 1, "recurrent": 2}


def test_a_known_name_gives_its_entry() -> None:
    assert chosen(TABLE, "recurrent", "encoder") == 2


def test_an_unknown_name_lists_the_nearest_and_all() -> None:
    with pytest.raises(RecipeError) as caught:
        chosen(TABLE, "recurent", "encoder")
    assert caught.value.message == "no encoder is called 'recurent'"
    assert caught.value.remedy == "did you mean 'recurrent'? choices: mobile, recurrent"


def test_a_name_that_is_near_nothing_lists_all() -> None:
    with pytest.raises(RecipeError) as caught:
        chosen(TABLE, "xyz", "encoder")
    assert caught.value.remedy == "choices: mobile, recurrent"
