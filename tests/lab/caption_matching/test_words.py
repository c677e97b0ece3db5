from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.lab.caption_matching.words import Postings, words_of

pytestmark = pytest.mark.lab

ROWS = st.dictionaries(st.sampled_from("abcdef"), st.floats(-3, 3), max_size=6)


@given(rows=st.lists(ROWS, max_size=6), query=ROWS)
def test_products_are_those_of_the_full_rows(
    rows: list[dict[str, float]], query: dict[str, float]
) -> None:
    expected = [sum(value * row.get(key, 0.0) for key, value in query.items()) for row in rows]
    found = Postings(rows).products(query)  # type: ignore[arg-type]
    assert found.shape == (len(rows),)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_words_are_spelt_one_way() -> None:
    assert words_of(" The dog’s BARK, (twice)… Straße 3 ") == [
        "the",
        "dog's",
        "bark",
        "twice",
        "straße",
        "3",
    ]
    assert words_of("— …") == []
