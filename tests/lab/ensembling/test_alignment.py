from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.lab.ensembling.alignment import aligned, gathered
from soundseek.lab.similarities import ListedSound, Similarities, open_similarities
from support.similarities import made, noisy, shuffled


def whole(member: Any) -> Any:
    return member.block(0, len(member.found.queries))


@given(seed=st.integers(0, 1000))
def test_members_in_another_order_are_brought_to_the_first(seed: int) -> None:
    one = noisy(1)
    _, other = aligned({"one": one, "other": shuffled(one, seed)})
    assert np.array_equal(whole(other), one.scores)
    assert np.array_equal(other.block(3, 7), one.scores[3:7])
    for side, vectors in zip(other.embeddings(), (one.audio, one.text), strict=True):
        assert vectors is not None
        assert np.array_equal(side, vectors)


def test_a_member_on_the_disk_in_another_order(tmp_path: Path) -> None:
    one = noisy(1)
    shuffled(one, 5).save(tmp_path / "a")
    _, other = aligned({"one": one, "other": open_similarities(tmp_path / "a")})
    assert np.array_equal(whole(other), one.scores)


def test_captions_of_one_text_are_told_apart_by_their_clips() -> None:
    scores = np.arange(9, dtype=np.float32).reshape(3, 3)
    one = replace(made(scores), queries=["rain", "rain", "wind"])
    order = [1, 2, 0]
    other = Similarities(
        [one.queries[i] for i in order], one.clips, scores[order], one.relevant[order]
    )
    assert np.array_equal(whole(aligned({"one": one, "other": other})[1]), scores)


def test_captions_alike_in_text_and_clips_are_taken_in_their_order() -> None:
    scores = np.arange(6, dtype=np.float32).reshape(3, 2)
    relevant = [[1, 0], [1, 0], [0, 1]]
    one = replace(made(scores, relevant), queries=["rain", "rain", "wind"])
    order = [2, 0, 1]
    other = Similarities(
        [one.queries[i] for i in order], one.clips, scores[order], one.relevant[order]
    )
    assert np.array_equal(whole(aligned({"one": one, "other": other})[1]), scores)


def test_clips_are_found_by_file_name_where_ids_differ() -> None:
    one = made(np.arange(4, dtype=np.float32).reshape(2, 2))
    files = [ListedSound(name, name, 0.0, 0.0) for name in ("c1.wav", "c0.wav")]
    other = Similarities(one.queries, files, one.scores[:, ::-1], one.relevant[:, ::-1])
    assert np.array_equal(whole(aligned({"one": one, "other": other})[1]), one.scores)


def test_the_first_difference_is_named() -> None:
    one = made(np.zeros((3, 3)))
    fewer = made(np.zeros((3, 2)), [[1, 0], [0, 1], [1, 0]])
    relevant = one.relevant.copy()
    relevant[1] = [True, False, False]
    longer = Similarities(
        [*one.queries, "q9"], one.clips, np.zeros((4, 3), np.float32), np.eye(4, 3, dtype=bool)
    )
    for other, said in (
        (made(np.zeros((3, 3)), names=["c0", "x", "c2"]), "b lacks 1 of the 3 clips of a, .* c1"),
        (fewer, "b lacks 1 of the 3 clips of a, the first is c2"),
        (made(np.zeros((3, 4))), "a lacks 1 of the 4 clips of b, the first is c3"),
        (replace(one, queries=["q0", "x", "q2"]), "b lacks the query 'q1' of a"),
        (
            replace(longer, queries=["q0", "q1", "q2", "q1"]),
            "stands 2 times in b, 1 times in a",
        ),
        (replace(one, relevant=relevant), "other clips answer the query 'q1' in b than in a"),
        (longer, "a lacks the query 'q9' of b"),
    ):
        with pytest.raises(DataError, match=said) as caught:
            aligned({"a": one, "b": other})
        assert "the same test set" in str(caught.value.remedy)


def test_clips_listed_twice_are_refused() -> None:
    doubled = made(np.zeros((2, 2)), names=["c0", "c0"])
    with pytest.raises(DataError, match="lists a clip twice"):
        aligned({"a": doubled, "b": made(np.zeros((2, 3)), names=["c0", "c0", "c0"])})


def test_scores_that_are_none_are_named() -> None:
    scores = np.zeros((3, 2), np.float32)
    scores[2, 1] = np.nan
    one = made(np.zeros((3, 2)))
    with pytest.raises(DataError, match="b: the score of 'q2' and c1 is nan"):
        whole(aligned({"a": one, "b": made(scores)})[1])
    (_, other) = aligned({"a": one, "b": shuffled(made(scores), 3)})
    with pytest.raises(DataError, match="b: the score of 'q2' and c1 is nan"):
        whole(other)
    scores[2, 1] = -np.inf
    (_, other) = aligned({"a": one, "b": made(scores)})
    with pytest.raises(DataError, match="is -inf"):
        whole(other)
    assert other.block(0, 3, infinite=True)[2, 1] == -np.inf


def test_a_member_without_embeddings_says_so() -> None:
    (only,) = aligned({"a": made(np.zeros((2, 2)))})
    with pytest.raises(DataError, match=r"a has no embeddings.*\n.*by similarities"):
        only.embeddings()


def test_members_in_one_order_share_what_is_not_scores() -> None:
    one, same, other = noisy(1), noisy(2), shuffled(noisy(3), 4)
    found = gathered([("a", one), ("b", same), ("c", other)])
    assert found["b"].relevant is one.relevant
    assert found["b"].scores is same.scores
    assert found["c"] is other
