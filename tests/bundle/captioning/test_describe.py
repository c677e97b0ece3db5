from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from soundseek.bundle.captioning.captioner import Captioner
from soundseek.bundle.captioning.describe import Heard, Part, describe, hear, hear_blocks
from soundseek.bundle.captioning.load import load_captioner
from soundseek.bundle.load import load_bundle
from soundseek.bundle.runtime import Bundle
from soundseek.errors import AudioError, QueryError
from support.command_line import write_sound
from support.tiny_bundle import SAMPLE_RATE, sine

HOP_S = 2.88


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return load_bundle(tiny_bundle, threads=1)


@pytest.fixture(scope="module")
def captioner(tiny_captioner: Path) -> Captioner:
    return load_captioner(tiny_captioner, threads=1)


def heard(bundle: Bundle, *samples: np.ndarray) -> Heard:
    return hear_blocks(bundle, samples, "memory.wav")


def silence(seconds: float, level: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE))
    return (level * noise).astype(np.float32)


def test_a_file_is_heard_as_the_bundle_hears_it(tmp_path: Path, bundle: Bundle) -> None:
    path = write_sound(tmp_path / "höhe.wav", sine(4000, 7.0))
    found = hear(bundle, path)
    assert found.path == str(path)
    assert found.duration_s == pytest.approx(7.0)
    assert found.hop_s == pytest.approx(HOP_S)
    assert found.vectors == pytest.approx(bundle.encode_audio(path, windows=True)[0], abs=1e-6)
    assert not found.silent.any()


def test_the_whole_and_its_parts(bundle: Bundle, captioner: Captioner) -> None:
    sound = np.concatenate([sine(4000, 4 * HOP_S), sine(180, 2 * HOP_S)])
    (plain,) = describe(captioner, [heard(bundle, sound)])
    assert plain.parts == ()
    (parted,) = describe(captioner, [heard(bundle, sound)], every_s=2 * HOP_S)
    assert (parted.caption, parted.score) == (plain.caption, plain.score)
    first, last = parted.parts
    # Two parts of the same caption are one.
    assert (first.start_s, first.caption) == (0.0, "a high tone is heard")
    assert first.end_s == last.start_s == pytest.approx(4 * HOP_S)
    assert last.end_s == pytest.approx(parted.duration_s)
    assert last.caption == "a low tone is heard"
    assert first.score < 0


def test_parts_are_at_least_a_window_and_at_most_the_file(
    bundle: Bundle, captioner: Captioner
) -> None:
    sound = heard(bundle, np.concatenate([sine(4000, HOP_S), sine(180, HOP_S + 0.1)]))
    (short,) = describe(captioner, [sound], every_s=0.01)
    assert len(short.parts) == 2
    (long,) = describe(captioner, [sound], every_s=1e9)
    assert long.parts == (Part(0.0, sound.duration_s, long.caption, long.score),)
    with pytest.raises(QueryError, match="parts of 0"):
        describe(captioner, [sound], every_s=0.0)


@pytest.mark.parametrize("level", [0.0, 10 ** (-75 / 20)])
def test_silence_is_called_so_without_asking(bundle: Bundle, level: float) -> None:
    class Deaf:
        manifest = None

        def caption(self, windows: list, decoding: object) -> list:
            assert windows == []
            return []

    deaf = Deaf()
    deaf.manifest = type("Manifest", (), {"most_windows": 4})
    (found,) = describe(deaf, [heard(bundle, silence(7.0, level))], every_s=3.0)  # type: ignore[arg-type]
    assert (found.caption, found.score) == ("silence", 0.0)
    assert found.parts == (Part(0.0, 7.0, "silence", 0.0),)


def test_what_is_just_loud_enough_is_no_silence(bundle: Bundle) -> None:
    assert not heard(bundle, silence(3.0, 10 ** (-65 / 20))).silent.any()
    click = silence(3.0)
    click[20_000] = 0.5
    assert not heard(bundle, click).silent.any()


def test_a_sound_in_a_long_silence_is_what_the_file_is_called_by(
    bundle: Bundle, captioner: Captioner
) -> None:
    sound = np.concatenate([sine(4000, 2 * HOP_S), silence(40 * HOP_S)])
    (found,) = describe(captioner, [heard(bundle, sound)])
    assert found.caption == "a high tone is heard"


def test_a_sound_shorter_than_a_window(bundle: Bundle, captioner: Captioner) -> None:
    (found,) = describe(captioner, [heard(bundle, sine(4000, 0.2))], every_s=10.0)
    assert found.duration_s == pytest.approx(0.2)
    assert found.caption == "a high tone is heard"
    assert len(found.parts) == 1


def test_no_samples_are_no_sound(bundle: Bundle) -> None:
    with pytest.raises(AudioError, match=r"memory\.wav holds no sound"):
        heard(bundle)


def test_no_files_no_descriptions(captioner: Captioner) -> None:
    assert describe(captioner, []) == []


@pytest.mark.slow
def test_two_hours_need_no_more_memory_than_their_vectors(
    bundle: Bundle, captioner: Captioner
) -> None:
    def blocks(hours: float) -> Iterator[np.ndarray]:
        block = sine(4000, 30.0)
        for _ in range(round(hours * 120)):
            yield block

    hear_blocks(bundle, blocks(0.05), "warm.wav")
    tracemalloc.start()
    found = hear_blocks(bundle, blocks(2), "long.wav")
    described = describe(captioner, [found], every_s=60.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.duration_s == 7200
    assert found.vectors.shape == (2500, 32)
    assert [part.caption for part in described[0].parts] == ["a high tone is heard"]
    assert peak < 40e6  # two hours are 460 MB of samples
