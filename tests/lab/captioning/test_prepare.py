from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError
from soundseek.lab.captioning import heard as hearing
from soundseek.lab.captioning.build import build_model
from soundseek.lab.captioning.clips import captioned_sets
from soundseek.lab.captioning.prepare import Part, prepare_part
from soundseek.lab.retrieval.sequences import hear_sequences
from support.captioners import CAPTIONS
from support.retrieval import silent

pytestmark = pytest.mark.lab

Small = Callable[..., Any]
BASELINE, EVENTS = "cmu2022/captioning_baseline", "cmu2022/captioning_events"


def prepared(
    recipe: Any, cache: Path, part: str = "train", say: Callable[[str], None] = silent
) -> tuple[Part, Any]:
    """A part of the recipe's clips, and the model that heard it."""
    clips = getattr(captioned_sets(recipe, silent), part)
    model = build_model(recipe, CAPTIONS)
    return prepare_part(part, clips, recipe, model, cache, say), model


@pytest.fixture
def hearings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that something was heard into."""
    found: list[Path] = []

    def watched(hear: Any, store: Any, file: Path, **named: Any) -> Any:
        found.append(file)
        return hear_sequences(hear, store, file, **named)

    monkeypatch.setattr(hearing, "hear_sequences", watched)
    return found


@pytest.fixture
def spoilt(small: Small, synthetic: Path, tmp_path: Path) -> Callable[..., Any]:
    """Return spoilt(name, n, decode) → the recipe on a corpus whose first n training clips are no
    sounds, all of them for None; and their ids."""

    def made(name: str, n: int | None, decode: str) -> tuple[Any, list[str]]:
        corpus = tmp_path / "corpus"
        shutil.copytree(synthetic, corpus)
        rows = [json.loads(line) for line in (corpus / "clips.jsonl").read_text().splitlines()]
        bad = [row for row in rows if row["split"] == "train"][:n]
        for row in bad:
            (corpus / row["file"]).write_bytes(b"no sound at all")
        data = {
            split: [{"corpus": "clips", "root": str(corpus), "split": split, "audio": "optional"}]
            for split in ("train", "validation", "test")
        }
        return small(name, data=data, run={"decode": decode}), [row["id"] for row in bad]

    return made


def test_a_clip_is_heard_as_it_would_be_alone(small: Small, tmp_path: Path) -> None:
    part, model = prepared(small(BASELINE), tmp_path)
    assert part.heard is not None
    for clip in (0, 3):
        sound = torch.from_numpy(part.sounds.store.read(clip))[None]
        alone, own = model.hear(sound, torch.tensor([sound.shape[1]]))
        steps, mask = part.steps([clip])
        assert mask.all()
        torch.testing.assert_close(steps[0], alone[0][own[0]].detach(), atol=2e-3, rtol=2e-3)


def test_what_was_heard_serves_another_run(
    small: Small, tmp_path: Path, hearings: list[Path]
) -> None:
    first, _ = prepared(small(BASELINE), tmp_path)
    second, _ = prepared(small(BASELINE, optimiser={"learning_rate": 0.5}), tmp_path)
    assert len(hearings) == 1
    assert torch.equal(first.steps([0, 5])[0], second.steps([0, 5])[0])


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 5},  # other random weights
        {"audio": {"options": {"last_relu": True}}},
        {"audio": {"max_s": 1.1}},
        {"audio": {"window_s": 1.0}},
    ],
)
def test_another_encoder_hears_for_itself(
    small: Small, tmp_path: Path, hearings: list[Path], other: dict[str, Any]
) -> None:
    prepared(small(BASELINE), tmp_path)
    prepared(small(BASELINE, **other), tmp_path)
    assert len(set(hearings)) == 2


def test_an_encoder_that_learns_hears_nothing_beforehand(small: Small, tmp_path: Path) -> None:
    part, _ = prepared(small("cmu2022/captioning_crnn"), tmp_path)
    assert part.heard is None
    assert len(part.sounds.store) == len(part.clips) == 10


@pytest.mark.parametrize("name", [BASELINE, EVENTS])
@pytest.mark.parametrize("decode", ["ahead", "when_needed"])
def test_clips_that_cannot_be_read_are_named_and_left_out(
    spoilt: Callable[..., Any], small: Small, tmp_path: Path, decode: str, name: str
) -> None:
    recipe, bad = spoilt(name, 2, decode)
    for _ in range(2):  # heard, and read again
        said: list[str] = []
        part, _ = prepared(recipe, tmp_path / "cache", say=said.append)
        assert sorted(part.left_out) == sorted(bad)
        told = [line.split(":")[0] for line in said if line.startswith("left out")]
        assert sorted(told) == sorted(f"left out {one}" for one in bad)
        assert "2 of 10 clips of train are left out" in said
        assert len(part.clips) == 8
    whole, _ = prepared(small(name), tmp_path / "whole")
    places = {clip.id: i for i, clip in enumerate(whole.clips)}
    for i, clip in enumerate(part.clips):
        ours, theirs = part.steps([i])[0], whole.steps([places[clip.id]])[0]
        torch.testing.assert_close(ours, theirs, atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize("decode", ["ahead", "when_needed"])
def test_nothing_but_unreadable_clips_is_an_error(
    spoilt: Callable[..., Any], tmp_path: Path, decode: str
) -> None:
    recipe, _ = spoilt(BASELINE, None, decode)
    with pytest.raises(DataError, match=r"none of 10 clips c(an|ould) be (read|decoded)"):
        prepared(recipe, tmp_path / "cache")


@pytest.mark.parametrize("form", ["probabilities", "classes"])
def test_events_stand_beside_what_is_heard(small: Small, tmp_path: Path, form: str) -> None:
    plain, _ = prepared(small(BASELINE), tmp_path)
    part, model = prepared(small(EVENTS, audio={"events": {"form": form}}), tmp_path)
    steps, mask = part.steps([0, 7, 2])
    width = plain.steps([0])[0].shape[2]
    assert steps.shape[2] == model.captioner.width == width + 6
    assert torch.equal(steps[:, :, :width], plain.steps([0, 7, 2])[0])
    events = steps[:, :, width:]
    assert (events[~mask] == 0).all()
    if form == "classes":
        assert (events[mask].sum(1) == 1).all()
    else:
        assert ((events[mask] > 0) & (events[mask] < 1)).all()
