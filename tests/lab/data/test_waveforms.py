from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.data import waveforms
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import FileWaveforms, open_store

pytestmark = pytest.mark.lab

RATE = 16_000
LENGTHS = (1600, 4800, 3200)


def sound(index: int) -> np.ndarray:
    noise = np.random.default_rng(index).standard_normal(LENGTHS[index])
    return np.clip(0.3 * noise, -1, 1).astype(np.float32)


def clip(path: Path, **changes: Any) -> Clip:
    fields = {
        "id": path.stem,
        "path": str(path),
        "duration_s": LENGTHS[int(path.stem)] / RATE if path.stem in "012" else 0.1,
        "captions": (),
        "source": "made",
        "split": "train",
        "licence": "CC0",
        "group": "g",
    }
    return Clip(**(fields | changes))


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    paths = [tmp_path / f"{index}.wav" for index in range(3)]
    for index, path in enumerate(paths):
        soundfile.write(path, sound(index), RATE, subtype="FLOAT")
    return [clip(path) for path in paths]


def test_holds_every_clip_to_sixteen_bits(clips: list[Clip], tmp_path: Path) -> None:
    store = open_store(clips, RATE, tmp_path / "cache")
    assert store.sample_rate == RATE
    assert store.failures == {}
    for index, length in enumerate(LENGTHS):
        assert store.length(index) == length
        np.testing.assert_allclose(store.read(index), sound(index), rtol=0, atol=0.5001 / 32767)


def test_reads_parts_without_reaching_the_next_clip(clips: list[Clip], tmp_path: Path) -> None:
    store = open_store(clips, RATE, tmp_path / "cache")
    whole = store.read(1)
    assert whole.dtype == np.float32
    assert np.array_equal(store.read(1, 100, 50), whole[100:150])
    assert np.array_equal(store.read(1, 4700, 500), whole[4700:])
    assert store.read(1, 4800, 10).size == 0


def test_is_built_once(clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    first = open_store(
        clips, RATE, tmp_path / "cache", on_progress=lambda done, all_: told.append((done, all_))
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    monkeypatch.setattr(waveforms, "read", forbidden)
    again = open_store(clips, RATE, tmp_path / "cache")
    assert np.array_equal(first.samples, again.samples)
    assert np.array_equal(first.offsets, again.offsets)


def test_another_list_or_rate_is_another_store(clips: list[Clip], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert len(open_store(clips, RATE, cache).offsets) == 4
    assert len(open_store(clips[:2], RATE, cache).offsets) == 3
    assert open_store(clips[::-1], RATE, cache).length(0) == LENGTHS[2]
    assert open_store(clips, 8000, cache).length(0) == LENGTHS[0] // 2
    assert len(list(cache.glob("*.json"))) == 4


def test_a_killed_build_leaves_nothing_that_counts(
    clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    with monkeypatch.context() as patch:
        patch.setattr(waveforms, "read", killed_after(1, waveforms.read))
        with pytest.raises(KeyboardInterrupt):
            open_store(clips, RATE, cache)
    assert not [path for path in cache.iterdir() if path.suffix in (".json", ".i16")]
    assert open_store(clips, RATE, cache).offsets.tolist() == [0, 1600, 6400, 9600]
    assert not list(cache.glob("*.partial*"))


def test_clips_that_cannot_be_decoded_are_listed(clips: list[Clip], tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"not a sound")
    with_bad = [clips[0], clip(broken), clip(tmp_path / "gone.wav"), clips[2]]
    store = open_store(with_bad, RATE, tmp_path / "cache")
    assert set(store.failures) == {"broken", "gone"}
    assert "broken.wav" in store.failures["broken"]
    assert [store.length(i) for i in range(4)] == [LENGTHS[0], 0, 0, LENGTHS[2]]
    assert store.read(1).size == 0
    assert open_store(with_bad, RATE, tmp_path / "cache").failures == store.failures


def test_several_threads_write_the_same_store(clips: list[Clip], tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"not a sound")
    listed = [*clips, clip(broken)] * 3
    listed = [replace(one, id=f"{i}-{one.id}") for i, one in enumerate(listed)]
    for workers in (1, 3):
        open_store(listed, RATE, tmp_path / str(workers), workers=workers)
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "3").iterdir())
    assert any(name.endswith(".i16") for name in names)
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes(), name


@pytest.mark.parametrize("names", [[], ["gone.wav"]])
def test_nothing_to_hear_at_all_is_an_error(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(DataError, match=f"none of {len(names)} clips"):
        open_store([clip(tmp_path / name) for name in names], RATE, tmp_path / "cache")


def test_a_clip_may_be_part_of_a_file(clips: list[Clip], tmp_path: Path) -> None:
    part = clip(Path(clips[1].path), start_s=0.1, duration_s=0.05)
    store = open_store([part], RATE, tmp_path / "cache")
    np.testing.assert_allclose(store.read(0), sound(1)[1600:2400], rtol=0, atol=2e-5)


def test_sound_beyond_full_scale_is_clipped(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.array([3.0, -3.0] * 800, np.float32), RATE, subtype="FLOAT")
    store = open_store([clip(path)], RATE, tmp_path / "cache")
    assert set(store.read(0).tolist()) == {1.0, -1.0}


def forbidden(*_: Any, **__: Any) -> None:
    raise AssertionError("decoded again")


def killed_after(n: int, real: Callable[..., Any]) -> Callable[..., Any]:
    calls = 0

    def read(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > n:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    return read


def test_a_store_without_its_failures(tmp_path: Path, clips: list[Clip]) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    bad = clip(tmp_path / "bad.wav")
    whole = open_store([clips[0], bad, clips[1], clips[2]], RATE, tmp_path / "cache")
    kept, store = whole.without_failures([clips[0], bad, clips[1], clips[2]])
    assert kept == clips
    assert not store.failures
    for i in range(3):
        np.testing.assert_array_equal(store.read(i), whole.read(i + (i > 0)))


def test_files_read_when_needed_equal_the_store(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    clips = []
    for i, seconds in enumerate((1.0, 0.4)):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, rng.uniform(-0.5, 0.5, round(16_000 * seconds)), 16_000)
        clips.append(clip(path, duration_s=seconds))
    store = open_store(clips, 16_000, tmp_path / "cache")
    files = FileWaveforms(clips, 16_000)
    assert len(files) == len(store) == 2
    for i in range(2):
        assert files.length(i) == store.length(i)
        for start, length in ((0, None), (100, 50), (6_000, 4_000), (20_000, 10)):
            expected = store.read(i, start, length)
            np.testing.assert_allclose(files.read(i, start, length), expected, atol=1e-4)


def test_a_file_that_cannot_be_read_has_no_samples_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    files = FileWaveforms([clip(tmp_path / "bad.wav", duration_s=0.5)], 16_000)
    assert len(files.read(0)) == 0
    assert len(files.read(0, 100, 10)) == 0
    (reason,) = files.failures.values()
    assert "bad.wav" in reason
