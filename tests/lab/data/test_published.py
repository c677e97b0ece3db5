from __future__ import annotations

import re

import pytest

from soundseek.errors import DataError, RecipeError
from soundseek.lab.data.corpora import CORPORA
from soundseek.lab.data.published import PUBLISHED, published

pytestmark = pytest.mark.lab


def test_every_file_has_a_safe_address_and_a_name_of_its_own() -> None:
    assert set(PUBLISHED) <= set(CORPORA)
    for name, row in PUBLISHED.items():
        names = [file.name for file in row.files]
        assert len(names) == len(set(names)) > 0, name
        for file in row.files:
            assert re.fullmatch(r"https://[\w.-]+/\S+", file.url)
            assert re.fullmatch(r"[\w.-]+", file.name)


def test_clotho_is_three_splits_of_captions_metadata_and_sounds() -> None:
    names = {file.name for file in published("clotho").files}
    assert len(names) == 9
    assert "clotho_audio_evaluation.7z" in names
    assert all("/4783391/" in file.url for file in published("clotho").files)


def test_what_cannot_be_fetched_says_where_it_is_explained() -> None:
    with pytest.raises(DataError, match=r"cannot be fetched.*\n.*LAION-AI"):
        published("laion630k")
    with pytest.raises(DataError, match="your own files"):
        published("folder")
    with pytest.raises(RecipeError, match="did you mean 'clotho'"):
        published("cloto")
