from __future__ import annotations

import re
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

import soundseek.synth as synth
from soundseek.cli import demo_script
from soundseek.library.hits import Hit
from support.command_line import succeeded, typed, write_sound, write_sounds
from support.tiny_bundle import noise, sine


@pytest.fixture
def few_sounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sample sounds that are made in less time: one of each kind, a few kinds."""
    kinds = ("siren", "dog_bark", "owl", "thunder")
    monkeypatch.setattr(
        "soundseek.synth.collection.KINDS", {name: synth.KINDS[name] for name in kinds}
    )
    for name in ("plan_collection", "write_collection"):
        monkeypatch.setattr(synth, name, partial(getattr(synth, name), variants=1))


def without_timings(text: str) -> str:
    return re.sub(r"[\d,.]+ (s\)|s \(|× real time)", "N ", text)


def test_it_shows_everything_on_sounds_of_its_own(few_sounds: None, home: Path) -> None:
    shown = succeeded("demo")
    for title in (
        "1. Sample sounds",
        "2. Listening",
        "3. Finding",
        "4. Finding where",
        "5.",
    ):
        assert title in shown
    for query in demo_script.SAMPLE_QUERIES:
        assert f'$ soundseek search "{query}" --no-names -k 3' in shown
    assert "In truth: a dog barks at 0:21–0:25" in shown
    nameless = [line for line in shown.splitlines() if re.search(r"rec_\d+\.\w+( |$)", line)]
    assert all("← " in line for line in nameless if "$ " not in line)
    assert "soundseek index ~/sounds" in shown
    assert (home / "soundseek-demo" / "sounds" / "animals").is_dir()
    assert not (home / "library").exists()


def test_it_describes_sounds_where_the_model_has_a_captioner(few_sounds: None, home: Path) -> None:
    assert "6. Describing" not in succeeded("demo")
    shown = succeeded("demo", "--model", "soundseek-mini-2")
    described = shown[shown.index("6. Describing them in words") : shown.index("Now you")]
    assert "$ soundseek caption soundseek-demo" in described
    lines = [line for line in described.splitlines() if "  " in line.strip()]
    assert len(lines) == len(demo_script.SAMPLE_DESCRIBED)
    assert "dog" in lines[0].split("  ")[-1]


def test_it_shows_the_same_every_time_apart_from_the_time_it_took(
    few_sounds: None, home: Path
) -> None:
    first, second = succeeded("demo"), succeeded("demo")
    assert "from the last time" in second
    start = "2. Listening"
    assert without_timings(first).partition(start)[2] == without_timings(second).partition(start)[2]


def test_what_it_says_was_typed_can_be_typed(
    few_sounds: None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shlex

    lines = [line.strip() for line in succeeded("demo").splitlines()]
    typed_lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    name, _, value = typed_lines.pop(0).removeprefix("export ").partition("=")
    monkeypatch.setenv(name, value)
    assert len(typed_lines) > 8
    for line in typed_lines:
        program, *arguments = shlex.split(line)
        assert program == "soundseek"
        printed = succeeded(*arguments)
        if arguments[0] != "index":
            assert printed.splitlines()[1].split()[:3] == next(
                row.split()[:3]
                for row in lines[lines.index(f"$ {line}") + 1 :]
                if row.startswith("1 ")
            )


def test_on_a_folder_it_leaves_everything_as_it_was(home: Path) -> None:
    write_sounds(home / "my sounds")
    long = np.concatenate([sine(180, 18), noise(6)])
    write_sound(home / "my sounds" / "long.wav", long)
    before = sorted((path, path.stat().st_mtime_ns) for path in (home / "my sounds").rglob("*"))
    shown = succeeded("demo", "my sounds")
    assert sorted((path, path.stat().st_mtime_ns) for path in (home / "my sounds").rglob("*")) == (
        before
    )
    assert not (home / "library").exists()
    assert "2. Some of what is in there" in shown
    assert "Sounds that are there twice" in shown
    assert "soundseek index 'my sounds'" in shown
    (suggested,) = re.findall(r"--library (\S+)\n +your own words", shown)
    assert succeeded("search", "high", "--library", suggested)
    assert "Nothing new to listen to" in succeeded("demo", "my sounds"), "the cache is used again"


def test_a_damaged_cache_is_made_again(home: Path) -> None:
    write_sounds(home / "sounds")
    succeeded("demo", "sounds")
    (database,) = (home / "cache" / "demo").rglob("library.db")
    for helper in database.parent.glob("library.db-*"):
        helper.unlink()
    database.write_bytes(b"no database" * 999)
    assert "Listened to 18 s" in succeeded("demo", "sounds")


def test_unreadable_files_are_told(home: Path) -> None:
    write_sounds(home / "sounds")
    (home / "sounds" / "bad.wav").write_bytes(b"")
    assert "1 unreadable" in succeeded("demo", "sounds")


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_a_folder_without_sounds_is_refused(folder: str, home: Path) -> None:
    (home / "empty").mkdir()
    result = typed("demo", folder)
    assert result.exit_code == 2
    assert folder in result.stderr


def test_a_place_that_cannot_be_written_is_a_message(few_sounds: None, home: Path) -> None:
    (home / "soundseek-demo").write_text("a file where the folder should be")
    result = typed("demo")
    assert result.exit_code == 2
    assert "soundseek-demo" in result.stderr


def test_a_file_whose_name_does_not_tell_is_explained() -> None:
    named = synth.Item(PurePosixPath("animals/owl_1.wav"), "owl", False, 0, 0)
    nameless = synth.Item(PurePosixPath("recorder/rec_0003.wav"), "owl", False, 0, 2)
    assert demo_script.truth(named, 0, 3) == ""
    assert demo_script.truth(nameless, 0, 3) == "An owl hoots at night"


@pytest.mark.parametrize(
    ("start_s", "told"),
    [(15.0, "street scene: an emergency siren wails"), (23.0, "street scene: background")],
)
def test_a_place_in_a_scene_is_explained(start_s: float, told: str) -> None:
    scene = synth.Item(PurePosixPath("scenes/street_scene.wav"), "street_scene", True, 0, 0)
    assert demo_script.truth(scene, start_s, start_s + 2.9) == told


def hit(path: str, similarity: float, duration_s: float = 3.0) -> Hit:
    return Hit(1, similarity, path, 0.0, 3.0, duration_s, "wav", 16_000, 1, (), similarity, None)


def test_the_queries_worth_showing_fit_best_and_show_different_files() -> None:
    hits = [[hit("a", 0.5)], [hit("a", 0.9), hit("b", 0.8)], [hit("b", 0.3)], []]
    found = demo_script.worth_showing(["one", "two", "three", "four"], hits)
    assert [one.query for one in found] == ["two", "three"]


def test_no_more_queries_than_can_be_read() -> None:
    hits = [[hit(str(number), 0.5)] for number in range(20)]
    found = demo_script.worth_showing([str(number) for number in range(20)], hits)
    assert len(found) == demo_script.SHOWN_QUERIES


def test_the_longest_file_is_for_moments() -> None:
    found = [
        demo_script.Found("one", [hit("a", 0.9), hit("b", 0.2, 60.0)]),
        demo_script.Found("two", [hit("b", 0.4, 60.0), hit("c", 0.9, 30.0)]),
    ]
    chosen = demo_script.longest(found)
    assert chosen is not None
    assert (chosen[0], chosen[1].path) == ("two", "b")
    assert demo_script.longest([demo_script.Found("one", [hit("a", 0.9)])]) is None


def test_every_example_is_in_the_sample_collection() -> None:
    root = Path("sounds")
    known = demo_script.sample_items(root)
    assert demo_script.kind_file(root, demo_script.SAMPLE_LIKE) in known
    for scene, _, kind in demo_script.SAMPLE_MOMENTS:
        assert demo_script.scene_file(root, scene) in known
        assert any(event.kind == kind for event in synth.SCENES[scene].events)
