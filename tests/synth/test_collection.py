"""A written collection: what the plan says, readable, repeatable, and refused where it must be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseek.errors import SoundseekError
from soundseek.synth import KINDS, SCENES, plan_collection, render, write_collection


def test_the_plan_holds_every_kind_and_scene_once_a_variant() -> None:
    items = plan_collection(variants=3)
    kinds = [(item.name, item.variant) for item in items if not item.is_scene]
    assert sorted(kinds) == sorted((name, v) for name in KINDS for v in range(3))
    assert sorted(item.name for item in items if item.is_scene) == sorted(SCENES)


@pytest.mark.parametrize("variants", [1, 2, 3, 7])
def test_paths_are_unique_even_where_case_and_suffix_do_not_count(variants: int) -> None:
    paths = [item.path for item in plan_collection(variants=variants)]
    assert len({str(path.with_suffix("")).lower() for path in paths}) == len(paths)


def test_some_names_say_nothing() -> None:
    items = plan_collection()
    unnamed = [item for item in items if item.path.parent.name == "recorder"]
    assert len(unnamed) >= 10
    assert all(item.path.name.startswith("rec_") for item in unnamed)
    assert not any(item.name in str(item.path) for item in unnamed)
    assert any(item.is_scene for item in unnamed)
    assert len(unnamed) < len(items) / 3


def test_named_files_lie_in_the_folder_of_their_kind() -> None:
    paths = {str(item.path) for item in plan_collection(variants=2, formats=["flac"])}
    assert {"animals/dog_bark_1.flac", "city/siren_2.flac", "scenes/street_scene.flac"} <= paths


def test_all_formats_are_used_for_named_and_unnamed_files() -> None:
    unnamed = {i.path.suffix for i in plan_collection() if i.path.parent.name == "recorder"}
    named = {i.path.suffix for i in plan_collection() if i.path.parent.name != "recorder"}
    assert named == unnamed == {".wav", ".flac", ".ogg"}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    folder = tmp_path_factory.mktemp("collection") / "not" / "yet there"
    return folder, write_collection(folder, variants=1, seed=7)


def test_the_files_are_those_of_the_plan(collection: tuple[Path, list[Path]]) -> None:
    folder, written = collection
    planned = [folder / item.path for item in plan_collection(variants=1, seed=7)]
    assert written == planned
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(written)


def test_the_files_can_be_read_and_hold_their_sound(collection: tuple[Path, list[Path]]) -> None:
    folder, _ = collection
    for item in plan_collection(variants=1, seed=7):
        sound, rate = soundfile.read(folder / item.path, dtype="float32")
        duration = SCENES[item.name].duration_s if item.is_scene else KINDS[item.name].duration_s
        assert rate == 32_000
        assert sound.shape == (round(duration * rate),)
        assert 0.25 <= np.max(np.abs(sound)) <= 1.0
    wav = next(i for i in plan_collection(variants=1, seed=7) if i.path.suffix == ".wav")
    sound, _ = soundfile.read(folder / wav.path, dtype="float32")
    np.testing.assert_allclose(sound, render(wav.name, seed=7), atol=1e-4)


def test_writing_again_replaces_only_its_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: KINDS[name] for name in ("door_knock", "owl")}
    monkeypatch.setattr("soundseek.synth.collection.KINDS", few)
    monkeypatch.setattr("soundseek.synth.collection.SCENES", {})
    (tmp_path / "mine.wav").write_bytes(b"keep")
    first = write_collection(tmp_path, variants=1, formats=["wav"])
    before = [path.read_bytes() for path in first]
    assert write_collection(tmp_path, variants=1, formats=["wav"]) == first
    assert [path.read_bytes() for path in first] == before
    assert (tmp_path / "mine.wav").read_bytes() == b"keep"


@pytest.mark.parametrize("formats", [["mp3"], ["wav", "aiff"], []])
def test_unknown_formats_are_refused_before_anything_is_written(
    tmp_path: Path, formats: list[str]
) -> None:
    with pytest.raises(SoundseekError, match="cannot be written as") as caught:
        write_collection(tmp_path, formats=formats)
    assert caught.value.remedy is not None
    assert "flac" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_no_variants_and_negative_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SoundseekError, match="not 0"):
        write_collection(tmp_path, variants=0)
    with pytest.raises(SoundseekError, match="negative: -1"):
        write_collection(tmp_path, seed=-1)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(SoundseekError, match="taken") as caught:
        write_collection(taken, variants=1)
    assert caught.value.remedy is not None
