"""Sounds that were sent: kept as vectors, for a while, so many at most."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi")

import soundfile

from soundseek.bundle.load import load_bundle
from soundseek.bundle.runtime import Bundle
from soundseek.errors import AudioError
from soundseek.serve.problems import Problem
from soundseek.serve.sandbox import Limits
from soundseek.serve.uploads import KeptUploads
from support.tiny_bundle import sine


class Clock:
    """A time that stands still until it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    return load_bundle(tiny_bundle, threads=1)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound"
    soundfile.write(path, sine(440, 4.0, 44_100), 44_100, format="FLAC")
    return path


def test_the_vector_is_the_one_of_the_library(bundle: Bundle, sound: Path) -> None:
    uploads = KeptUploads(lambda: bundle, Limits(), ttl_s=60)
    kept = uploads.add(sound)
    assert kept.duration_s == pytest.approx(4.0, abs=0.01)
    assert kept.expires_in_s == 60
    expected = bundle.encode_audio(sound)[0]
    np.testing.assert_allclose(uploads.vector(kept.id), expected, atol=1e-6)


def test_time_runs_out(bundle: Bundle, sound: Path) -> None:
    clock = Clock()
    uploads = KeptUploads(lambda: bundle, Limits(), ttl_s=60, now=clock)
    kept = uploads.add(sound)
    clock.now = 59.0
    uploads.vector(kept.id)
    clock.now = 60.0
    with pytest.raises(Problem) as gone:
        uploads.vector(kept.id)
    assert (gone.value.status, gone.value.remedy) == (404, "send the sound again")
    assert not uploads._kept


def test_the_oldest_makes_room(bundle: Bundle, sound: Path) -> None:
    uploads = KeptUploads(lambda: bundle, Limits(), ttl_s=60, most=2)
    first, second, third = (uploads.add(sound).id for _ in range(3))
    assert len({first, second, third}) == 3
    with pytest.raises(Problem):
        uploads.vector(first)
    uploads.vector(second)
    uploads.vector(third)


def test_what_is_no_sound_is_not_kept(bundle: Bundle, tmp_path: Path) -> None:
    uploads = KeptUploads(lambda: bundle, Limits(), ttl_s=60)
    path = tmp_path / "sound"
    path.write_bytes(b"nothing" * 10)
    with pytest.raises(AudioError):
        uploads.add(path)
    assert not uploads._kept


def test_closing_forgets(bundle: Bundle, sound: Path) -> None:
    uploads = KeptUploads(lambda: bundle, Limits(), ttl_s=60)
    kept = uploads.add(sound)
    uploads.close()
    with pytest.raises(Problem):
        uploads.vector(kept.id)
