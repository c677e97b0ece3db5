from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.similarities import ListedSound, Similarities, open_similarities

pytestmark = pytest.mark.lab


@pytest.fixture
def found() -> Similarities:
    rng = np.random.default_rng(1)
    clips = [ListedSound(f"c{i}", f"/sounds/ü {i}.wav", 0.5 * i, 1.0 + i) for i in range(4)]
    relevant = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]], np.bool_)
    audio, text = rng.random((4, 2), np.float32), rng.random((3, 2), np.float32)
    return Similarities(["rain", "rain", "wind, and a dog"], clips, text @ audio.T, relevant)


def test_what_is_saved_is_read_again(found: Similarities, tmp_path: Path) -> None:
    found.save(tmp_path / "test")
    again = open_similarities(tmp_path / "test")
    assert again.queries == found.queries
    assert again.clips == found.clips
    assert np.array_equal(again.scores, found.scores)
    assert np.array_equal(again.relevant, found.relevant)
    assert again.audio is None
    assert again.metrics() == found.metrics()
    # The scores are on the disk until they are asked for.
    assert isinstance(again.scores, np.memmap)


def test_embeddings_are_kept_and_go_when_the_folder_is_written_anew(
    found: Similarities, tmp_path: Path
) -> None:
    vectors = np.eye(4, 2, dtype=np.float32)
    with_vectors = Similarities(
        found.queries, found.clips, found.scores, found.relevant, vectors, vectors[:3]
    )
    with_vectors.save(tmp_path / "test")
    again = open_similarities(tmp_path / "test")
    assert again.audio is not None
    assert again.text is not None
    assert np.array_equal(again.audio, vectors)
    assert np.array_equal(again.text, vectors[:3])
    found.save(tmp_path / "test")
    assert open_similarities(tmp_path / "test").audio is None
    assert [path.name for path in tmp_path.iterdir()] == ["test"]


def test_what_is_no_folder_of_similarities_is_refused(found: Similarities, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no similarities in .*similarities\.json is missing"):
        open_similarities(tmp_path)
    found.save(tmp_path / "test")
    index = tmp_path / "test" / "similarities.json"
    document = json.loads(index.read_text(encoding="utf-8"))
    for change, said in (
        ({"schema_version": 99}, "schema version 99"),
        ({"clips": document["clips"][:2]}, "damaged"),
        ({"queries": ["rain"]}, "damaged"),
        ({"queries": ["rain"], "relevant": [[0]]}, r"scores are \(3, 4\).*1 queries"),
        ({"relevant": [[0], [9], [1]]}, "damaged"),
    ):
        index.write_text(json.dumps(document | change), encoding="utf-8")
        with pytest.raises(DataError, match=said):
            open_similarities(tmp_path / "test")
    index.write_text(json.dumps(document), encoding="utf-8")
    (tmp_path / "test" / "scores.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match="damaged"):
        open_similarities(tmp_path / "test")
