from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.captioning.clips import captioned_sets

pytestmark = pytest.mark.lab

NAME = "cmu2022/captioning_baseline"


@pytest.fixture
def rewritten(small: Callable[..., Any], synthetic: Path, tmp_path: Path) -> Callable[..., Any]:
    """Return rewritten(captions) → the recipe on a corpus whose first training clip, or every one
    for `every`, has these."""

    def made(captions: list[str], *, every: bool = False, **changes: Any) -> Any:
        shutil.copytree(synthetic, tmp_path / "corpus", dirs_exist_ok=True)
        table = tmp_path / "corpus" / "clips.jsonl"
        rows = [json.loads(line) for line in table.read_text().splitlines()]
        train = [row for row in rows if row["split"] == "train"]
        for row in train if every else train[:1]:
            row["captions"] = captions
        table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        data = {
            split: [{"corpus": "clips", "root": str(tmp_path / "corpus"), "split": split}]
            for split in ("train", "validation", "test")
        }
        return small(NAME, data=data, **changes)

    return made


def test_captions_without_words_are_left_out(rewritten: Callable[..., Any]) -> None:
    said: list[str] = []
    sets = captioned_sets(rewritten(["...", "Rain!", " ?! "]), said.append)
    assert sets.train[0].captions == ("Rain!",)
    assert len(sets.train) == 10
    assert "train: 2 captions hold no word and are left out" in said


def test_a_clip_without_any_word_is_left_out(rewritten: Callable[..., Any]) -> None:
    sets = captioned_sets(rewritten(["...", "!"]), lambda line: None)
    assert len(sets.train) == 9
    assert len(sets.validation) == len(sets.test) == 5


def test_punctuation_that_is_kept_is_a_word(rewritten: Callable[..., Any]) -> None:
    recipe = rewritten(["...", "Rain!"], text={"strip_punctuation": False})
    assert captioned_sets(recipe, lambda line: None).train[0].captions == ("...", "Rain!")


def test_no_word_at_all_is_an_error(rewritten: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"no caption in data\.train holds a word"):
        captioned_sets(rewritten(["..."], every=True), lambda line: None)
