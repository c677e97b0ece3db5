from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from support.command_line import succeeded, typed

pytestmark = pytest.mark.lab


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        "cpjku2024/distilled",
        "samsung2024/system7",
        "cmu2022/caption_match",
        "cmu2022/captioning_crnn",
        "soundseek/captions",
    ],
)
def test_shipped_recipes_can_be_rehearsed(home: Path, recipe: str) -> None:
    out = json.loads(succeeded("train", recipe, "--smoke", "--dry-run", "--json"))
    assert out["problems"] == []
    assert list(home.iterdir()) == []


@pytest.mark.slow
def test_the_table_and_the_batch(home: Path) -> None:
    told = succeeded("train", "cpjku2022/audioset", "--smoke", "--dry-run", "--out", "run")
    assert "stage train" in told
    assert "an estimate from" in told
    words = ("train", "cpjku2022/audioset", "--smoke", "--find-batch")
    found = json.loads(succeeded(*words, "--memory", "8", "--json"))
    assert found["override"] == f"optimiser.batch={found['batch']}"
    assert found["limit_bytes"] == 8_000_000_000
    assert "pairs a s" in succeeded(*words)
    assert list(home.iterdir()) == []


def test_what_is_missing_ends_with_2_and_is_all_told(home: Path) -> None:
    words = ("train", "cpjku2022/audioset", "data.folder=nowhere", "text.model=nowhere.bin")
    result = typed(
        *words, "text.encoder=word_vectors", "audio.checkpoint=none.pth", "--dry-run", "--json"
    )
    assert result.exit_code == 2
    problems = json.loads(result.stdout)["problems"]
    assert len(problems) >= 3
    assert f"{len(problems)} problems, this would not train" in result.stderr
    for problem in problems:
        assert problem["message"] in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Missing option '--out'"),
        (("--dry-run", "--find-batch"), "two things"),
        (("--dry-run", "--memory", "3"), "--memory goes with --find-batch"),
        (("--find-batch", "--memory", "0"), "'--memory'"),
        (("--out", "file"), "is a file"),
        (("--dry-run", "--with", "none.yaml"), "does not exist"),
    ],
)
def test_wrong_use_says_what_is_wrong(home: Path, options: tuple[str, ...], message: str) -> None:
    (home / "file").write_text("", encoding="utf-8")
    result = typed("train", "cpjku2022/audioset", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
