"""What a clip's score is: checked against plain loops over the stored vectors."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseek.errors import AudioError
from soundseek.library import Library
from soundseek.library.database import Database
from soundseek.library.search import Searcher
from support.tiny_bundle import SOUNDS
from support.vector_library import HOP_S, WINDOW_S, Clip, add_clips, new_database, table_model

TEXTS = {"rain": [1, 0, 0, 0], "thunder": [0, 1, 0, 0]}


@pytest.fixture
def database(tmp_path: Path):
    database = new_database(tmp_path / "library", 4)
    yield database
    database.close()


@pytest.fixture
def searcher(database: Database, tmp_path: Path) -> Searcher:
    return Searcher(database, table_model(TEXTS), tmp_path / "cache")


def _naive(database: Database, query: np.ndarray, hop_s: float) -> dict[str, tuple[float, float]]:
    """Return, by path, the score of each clip and the cosine of the whole."""
    scores = {}
    wanted = [float(value) for value in query]
    for path, valid, blob in database.query(
        "SELECT path, valid, windows FROM files JOIN clips ON clips.id = clip_id"
    ):
        windows = np.frombuffer(blob, np.float16).reshape(-1, len(wanted))
        rows = [[float(value) for value in row] for row in windows]
        lengths = [int(length) for length in np.frombuffer(valid, np.uint32)]
        best = max(_dot(row, wanted) for row in rows)
        mean = [
            sum(length * row[place] for length, row in zip(lengths, rows, strict=True))
            for place in range(len(wanted))
        ]
        whole = _dot(mean, wanted) / math.hypot(*mean)
        share = 0.5 * min(1, 30 / (len(rows) * hop_s))
        scores[path.decode()] = ((1 - share) * best + share * whole, whole)
    return scores


def _dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def _random_library(database: Database) -> dict[str, np.ndarray]:
    """Add clips of up to a minute; returns two texts and their vectors."""
    rng = np.random.default_rng(3)
    add_clips(
        database,
        [
            Clip(rng.standard_normal((int(rng.integers(1, 60)), 4)), [f"/s/{number}.wav"])
            for number in range(200)
        ],
    )
    return {"it": rng.standard_normal(4), "that": rng.standard_normal(4)}


def test_against_a_naive_search(database: Database, tmp_path: Path) -> None:
    model = table_model(_random_library(database))
    hits = Searcher(database, model, tmp_path / "cache").search("it", k=20, hybrid=False)
    scores = _naive(database, model.encode_text("it")[0], HOP_S)
    naive = sorted((score for score, _ in scores.values()), reverse=True)[:20]
    assert [hit.score for hit in hits] == pytest.approx(naive, abs=1e-3)
    assert [hit.score for hit in hits] == pytest.approx(
        [scores[hit.path][0] for hit in hits], abs=1e-3
    )
    assert [hit.similarity for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_what_is_unwanted_is_scored_alike(database: Database, tmp_path: Path) -> None:
    model = table_model(_random_library(database))
    searcher = Searcher(database, model, tmp_path / "cache")
    hits = searcher.search("it", without="that", k=1000, hybrid=False)
    wanted, unwanted = (
        {path: score for path, (score, _) in _naive(database, vector, HOP_S).items()}
        for vector in model.encode_text(["it", "that"])
    )
    median = float(np.median(list(unwanted.values())))
    for hit in hits:
        penalty = max(0, unwanted[hit.path] - median)
        assert hit.similarity == pytest.approx(wanted[hit.path], abs=1e-3)
        assert hit.score == pytest.approx(wanted[hit.path] - penalty, abs=2e-3)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_of_equal_best_windows_the_whole_decides(searcher: Searcher, database: Database) -> None:
    add_clips(
        database,
        [
            Clip([[1, 0, 0, 0], [0, 0, 1, 0]], ["/s/half.wav"]),
            Clip([[1, 0, 0, 0], [0.9, 0, 0.1, 0]], ["/s/all.wav"]),
        ],
    )
    hits = searcher.search("rain", hybrid=False)
    assert [hit.path for hit in hits] == ["/s/all.wav", "/s/half.wav"]


def test_one_window_of_a_long_recording_is_found_beside_short_clips(
    searcher: Searcher, database: Database
) -> None:
    long = np.tile([0.0, 0, 0, 1], (300, 1))
    long[200] = [1, 0, 0, 0]
    # By half of each, the long one would have 0.5: less than any of the short ones.
    short = [Clip([0.8, 0.6, 0, 0], [f"/s/{number}.wav"]) for number in range(5)]
    add_clips(database, [Clip(long, ["/s/long.wav"]), *short])
    first, second, *_ = searcher.search("rain", hybrid=False)
    assert first.path == "/s/long.wav"
    assert (first.start_s, first.end_s) == (200 * HOP_S, 200 * HOP_S + WINDOW_S)
    assert first.similarity == pytest.approx(0.95, abs=1e-3)
    assert second.similarity == pytest.approx(0.8, abs=1e-3)


def test_like_a_file_of_the_library_and_blended(
    database: Database, tmp_path: Path, tiny_bundle: Path
) -> None:
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    for name, render in SOUNDS.items():
        soundfile.write(sounds / f"{name[::-1]}.wav", render(), 16_000)
    with Library.open(tmp_path / "real", bundle=tiny_bundle, create=True) as library:
        library.index([sounds])
        inside = sounds / "hgih.wav"
        (hit,) = library.search(like=inside, k=1)
        assert hit.path == str(inside)
        assert hit.score == pytest.approx(1, abs=1e-3)
        outside = tmp_path / "copy.flac"
        soundfile.write(outside, SOUNDS["high"](), 16_000)
        (same,) = library.search(like=outside, k=1)
        assert same.path == str(inside)

        def first(weight: float) -> str:
            blended = library.search("noise", like=inside, like_weight=weight, k=1, hybrid=False)
            return Path(blended[0].path).stem[::-1]

        assert [first(weight) for weight in (0, 0.1, 0.9, 1)] == ["noise", "noise", "high", "high"]

        shutil.copy(sounds / "wol.wav", inside)  # changed since: not what the library has of it
        (hit,) = library.search(like=inside, k=1)
        assert hit.path == str(sounds / "wol.wav")
        with pytest.raises(AudioError, match="no such file"):
            library.search(like=tmp_path / "absent.wav")


def test_nothing_is_more_like_a_file_than_itself(tmp_path: Path, tiny_bundle: Path) -> None:
    names = list(SOUNDS)
    files = []
    for first in names:
        for second in names:
            path = tmp_path / "sounds" / f"{len(files)}.wav"
            path.parent.mkdir(exist_ok=True)
            # Two different windows: their mean is like neither of them.
            soundfile.write(path, np.concatenate([SOUNDS[first](), SOUNDS[second]()]), 16_000)
            files.append(path)
    with Library.open(tmp_path / "library", bundle=tiny_bundle, create=True) as library:
        library.index([tmp_path / "sounds"])
        for path in files:
            own = next(hit for hit in library.search(like=path, k=100) if hit.path == str(path))
            assert own.score == pytest.approx(1, abs=1e-3)
            mine = library.bundle.encode_audio([path])[0]
            naive = _naive(library.database, mine, library.bundle.hop_s)
            for hit in library.search(like=path, k=100):
                assert hit.similarity == pytest.approx(max(naive[hit.path]), abs=2e-3)
