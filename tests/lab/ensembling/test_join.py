from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from soundseek.errors import DataError, RecipeError
from soundseek.lab.ensembling.join import checked_weights, joined, mixture
from soundseek.lab.ensembling.scales import SCALES, scaled
from soundseek.lab.similarities import open_similarities
from support.similarities import made, noisy, shuffled

SCORES = arrays(np.float32, (4, 5), elements=st.integers(-3, 3).map(float))
within_blocks = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def named(*members: Any) -> dict[str, Any]:
    return {f"m{i}": member for i, member in enumerate(members)}


@within_blocks
@given(
    scores=st.lists(SCORES, min_size=1, max_size=4),
    scale=st.sampled_from(SCALES),
    size=st.integers(1, 2000),
    data=st.data(),
)
def test_in_blocks_it_is_the_weighted_mean(
    few_rows: Callable[[int], None], scores: list[Any], scale: Any, size: int, data: Any
) -> None:
    few_rows(size)
    weights = data.draw(
        st.lists(st.integers(1, 5).map(float), min_size=len(scores), max_size=len(scores))
    )
    found = joined(named(*map(made, scores)), scale=scale, weights=weights).similarities()
    expected = np.average([scaled(one, scale) for one in scores], axis=0, weights=weights)
    np.testing.assert_allclose(found.scores, expected, atol=1e-5)
    assert found.scores.dtype == np.float32
    assert found.audio is None


@given(order=st.permutations(range(4)), scale=st.sampled_from(SCALES), seed=st.integers(0, 99))
def test_neither_the_order_of_members_nor_that_of_theirs_matters(
    order: list[int], scale: Any, seed: int
) -> None:
    members = [noisy(i) for i in range(4)]
    weights = [1.0, 2.0, 0.0, 3.0]
    expected = joined(named(*members), scale=scale, weights=weights).similarities()
    other = [members[order[0]], *(shuffled(members[i], seed + i) for i in order[1:])]
    found = joined(named(*other), scale=scale, weights=[weights[i] for i in order])
    np.testing.assert_allclose(found.similarities().scores, expected.scores, atol=1e-5)


@within_blocks
@given(size=st.integers(1, 5000))
def test_what_is_saved_block_by_block_is_the_one_in_memory(
    few_rows: Callable[[int], None], size: int, tmp_path: Path
) -> None:
    few_rows(size)
    for by in ("similarities", "embeddings"):
        whole = joined(named(noisy(1), shuffled(noisy(2), 4)), by=by)  # type: ignore[arg-type]
        whole.save(tmp_path / by)
        kept, there = open_similarities(tmp_path / by), whole.similarities()
        assert np.array_equal(kept.scores, there.scores)
        assert (kept.audio is None) == (by == "similarities")
        assert whole.metrics() == kept.metrics()


@pytest.mark.parametrize("scale", SCALES)
def test_what_is_stored_is_read_as_it_was(scale: Any, tmp_path: Path) -> None:
    members = mixture(
        named(noisy(1), shuffled(noisy(2), 4), noisy(3)), scale=scale, by="similarities"
    )
    ready = members.stored(tmp_path)
    for weights in ((1, 2, 3), (0, 0, 1)):
        for one, other in zip(members.mixed(weights), ready.mixed(weights), strict=True):
            assert np.array_equal(one, other)
    for ones, others in zip(members.trials((1, 0, 2)), ready.trials((1, 0, 2)), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(ones, others, strict=True))
    by_embeddings = mixture(named(noisy(1), noisy(2)), by="embeddings")
    assert by_embeddings.stored(tmp_path) is by_embeddings


def test_averaged_embeddings_are_cosines_of_the_means() -> None:
    one, other = noisy(1), noisy(2)
    found = joined(named(one, other), by="embeddings", weights=[3, 1]).similarities()

    def unit(rows: Any) -> Any:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    audio = unit(3 * unit(one.audio) + unit(other.audio))
    text = unit(3 * unit(one.text) + unit(other.text))
    np.testing.assert_allclose(found.scores, text @ audio.T, atol=1e-5)
    assert found.audio is not None
    np.testing.assert_allclose(found.audio, audio, atol=1e-6)


def test_averaged_embeddings_need_common_axes() -> None:
    """A rotation leaves a system's scores as they are, and ruins its mean with another."""
    members = [noisy(i, clips=40, noise=0.8, dimension=16) for i in range(2)]
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((16, 16)))
    turn = turn.astype(np.float32)
    other = members[1]
    assert other.audio is not None
    assert other.text is not None
    turned = replace(other, audio=other.audio @ turn, text=other.text @ turn)
    figure = {
        (name, by): joined(named(members[0], member), by=by).metrics()["mAP@10"].value  # type: ignore[arg-type]
        for name, member in (("same", other), ("turned", turned))
        for by in ("similarities", "embeddings")
    }
    assert figure["turned", "similarities"] == pytest.approx(figure["same", "similarities"])
    assert figure["same", "embeddings"] > figure["same", "similarities"]
    assert figure["turned", "embeddings"] < figure["turned", "similarities"]


def test_a_vector_of_zeros_stays_one() -> None:
    one = noisy(1)
    assert one.audio is not None
    one.audio[0] = 0.0
    found = joined(named(one, one), by="embeddings").similarities()
    assert np.isfinite(found.scores).all()
    assert not found.scores[:, 0].any()


def test_spaces_of_other_sizes_are_refused() -> None:
    with pytest.raises(DataError, match=r"m1 have 4 dimensions, those of m0 8\n.*similarities"):
        mixture(named(noisy(1), noisy(2, dimension=4)), by="embeddings")
    one = noisy(1)
    assert one.text is not None
    one.text[0, 0] = np.inf
    with pytest.raises(DataError, match="m0 has an embedding that is not finite"):
        mixture(named(one), by="embeddings")


def test_infinite_scores_can_only_be_ranked() -> None:
    scores = np.zeros((2, 3), np.float32)
    scores[0, 1] = np.inf
    members = named(made(np.zeros((2, 3))), made(scores))
    for scale in ("none", "zscore", "query_zscore"):
        with pytest.raises(DataError, match=r"m1: .*is inf\n.*by rank"):
            joined(members, scale=scale).similarities()  # type: ignore[arg-type]
    assert np.isfinite(joined(members, scale="rank").similarities().scores).all()


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([1.0], "1 weights for 2 members"),
        ([1.0, -1.0], "a weight is -1"),
        ([1.0, float("nan")], "a weight is nan"),
        ([0.0, 0.0], "all weights are 0"),
    ],
)
def test_weights_that_cannot_be(weights: list[float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        checked_weights(weights, 2)


def test_no_member_and_no_such_way() -> None:
    with pytest.raises(DataError, match="needs members"):
        mixture({}, by="similarities")
    with pytest.raises(RecipeError, match="no way to join is called 'embedding'"):
        mixture(named(noisy(1)), by="embedding")  # type: ignore[arg-type]
