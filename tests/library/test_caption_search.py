"""What captions do in a search, and what they never do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundseek.errors import QueryError
from soundseek.library import vectors
from soundseek.library.caption_search import with_captions
from soundseek.library.database import Database
from soundseek.library.hits import Hit
from soundseek.library.names import GENERATED_TRUST
from soundseek.library.search import Searcher
from support.captioning import put_captions
from support.vector_library import Clip, add_clips, new_database, table_model

TEXTS = {
    "rain": [1, 0, 0, 0],
    "wet weather": [0.98, 0.1, 0.1, 0],
    "thunder": [0, 1, 0, 0],
    "a bird": [0, 0, 0, 1],
    "car": [0, 0, 1, 0],
    "rain, rain!": [0.9, 0, 0.1, 0],
}
MODEL = table_model(TEXTS)


@pytest.fixture
def database(tmp_path: Path):
    database = new_database(tmp_path / "library", 4)
    yield database
    database.close()


@pytest.fixture
def searcher(database: Database, tmp_path: Path) -> Searcher:
    return Searcher(database, MODEL, tmp_path / "cache")


def _fill(database: Database, n: int = 40, seed: int = 0) -> list[int]:
    """Add clips a, b, … that sound like nothing in particular; returns their ids."""
    rng = np.random.default_rng(seed)
    return add_clips(
        database,
        [Clip(rng.standard_normal((2, 4)), [f"/s/{number:03}.wav"]) for number in range(n)],
    )


def _order(hits: Sequence[Hit]) -> list[str]:
    return [hit.path for hit in hits]


def _place(hits: Sequence[Hit], clip_id: int) -> int:
    return _order(hits).index(f"/s/{clip_id - 1:03}.wav")


def test_a_caption_of_the_same_meaning_raises_its_clip(
    searcher: Searcher, database: Database
) -> None:
    ids = _fill(database)
    before = searcher.search("rain", k=40)
    clip_id = ids[_by_path(before[20].path)]
    put_captions(database, MODEL, {clip_id: "wet weather"})
    after = searcher.search("rain", k=40)
    assert _place(after, clip_id) < 20
    hit = after[_place(after, clip_id)]
    assert (hit.caption, hit.name_rank) == ("wet weather", None)  # not a word in common
    assert hit.similarity == before[20].similarity


def _by_path(path: str) -> int:
    return int(Path(path).stem)


def test_words_of_people_count_like_names_and_those_of_a_captioner_less(
    searcher: Searcher, database: Database
) -> None:
    first, second, third = _fill(database, 3)
    put_captions(database, MODEL, {first: "rain"}, by="c")
    put_captions(database, MODEL, {second: "rain", third: "a bird"})
    hits = {hit.path: hit for hit in searcher.search("rain", generated_captions=True)}
    assert hits["/s/001.wav"].name_rank == 1
    assert hits["/s/000.wav"].name_rank == 2
    assert hits["/s/002.wav"].name_rank is None
    gain = hits["/s/000.wav"].score - 1 / (60 + _sound_rank(hits, "/s/000.wav"))
    assert gain == pytest.approx(GENERATED_TRUST / 62, rel=1e-3)


def _sound_rank(hits: dict[str, Hit], path: str) -> int:
    # Three clips: whichever sound rank explains the score with some bonus below 1/61.
    return next(r for r in (1, 2, 3) if 0 < hits[path].score - 1 / (60 + r) < 0.01)


def test_the_better_of_two_captions_counts(searcher: Searcher, database: Database) -> None:
    clip_id, other = _fill(database)[:2]
    put_captions(database, MODEL, {clip_id: "a bird", other: "a bird"})
    put_captions(database, MODEL, {clip_id: "wet weather"}, by="c")
    table = searcher._captions.table(searcher._vectors.table())
    assert table is not None
    cosines = table.cosines(MODEL.encode_text("rain")[0], generated=True)
    assert cosines[0] == pytest.approx(MODEL.encode_text("wet weather")[0][0], abs=1e-3)
    assert cosines[1] == pytest.approx(0, abs=1e-3)
    assert np.isnan(cosines[2:]).all()
    people = table.cosines(MODEL.encode_text("rain")[0], generated=False)
    assert people[:2] == pytest.approx([0, 0], abs=1e-3)


def test_what_a_captioner_wrote_counts_where_it_is_asked_for_alone(
    searcher: Searcher, database: Database
) -> None:
    ids = _fill(database)
    plain = searcher.search("rain", k=40)
    put_captions(database, MODEL, dict.fromkeys(ids[:20], "rain"), by="c")
    found = searcher.search("rain", k=40)
    assert [(h.path, h.score, h.name_rank) for h in found] == [
        (h.path, h.score, h.name_rank) for h in plain
    ]
    assert any(hit.caption == "rain" for hit in found)
    counted = searcher.search("rain", k=40, generated_captions=True)
    assert [h.score for h in counted] != [h.score for h in plain]


@pytest.mark.parametrize("options", [{"captions_weight": 0}, {"hybrid": False}])
def test_switched_off_the_search_is_that_of_a_library_without(
    searcher: Searcher, database: Database, options: dict
) -> None:
    ids = _fill(database)
    plain = searcher.search("rain", k=40, **options)
    put_captions(database, MODEL, dict.fromkeys(ids[:20], "rain"))
    found = searcher.search("rain", k=40, **options)
    assert [(h.path, h.score, h.similarity, h.name_rank) for h in found] == [
        (h.path, h.score, h.similarity, h.name_rank) for h in plain
    ]


def test_a_library_without_captions_is_searched_as_ever_whatever_the_weight(
    searcher: Searcher, database: Database
) -> None:
    _fill(database)
    add_clips(database, [Clip([1, 0, 0, 1], ["/s/rain.wav"])])
    assert searcher.search("rain", k=50, captions_weight=1) == searcher.search(
        "rain", k=50, captions_weight=0
    )


def test_the_filters_hold(searcher: Searcher, database: Database) -> None:
    inside, outside = add_clips(
        database, [Clip([0, 0, 1, 0], ["/s/in/a.wav"]), Clip([0, 0, 1, 0.1], ["/s/out/b.wav"])]
    )
    put_captions(database, MODEL, {inside: "a bird", outside: "rain"})
    assert _order(searcher.search("rain", folders=["/s/in"])) == ["/s/in/a.wav"]


def test_without_takes_captions_out_of_the_words(searcher: Searcher, database: Database) -> None:
    one, two = _fill(database, 2)
    put_captions(database, MODEL, {one: "rain"})
    put_captions(database, MODEL, {two: "rain, rain!"})
    put_captions(database, MODEL, {two: "thunder"}, by="c")
    ranks = {
        hit.path: hit.name_rank
        for hit in searcher.search("rain", without="thunder", generated_captions=True)
    }
    assert ranks == {"/s/000.wav": 1, "/s/001.wav": None}


def test_a_sound_as_the_query_takes_no_notice(
    searcher: Searcher, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = _fill(database)
    put_captions(database, MODEL, {ids[0]: "rain"})
    vector = MODEL.encode_text("car")[0]
    monkeypatch.setattr(searcher, "_sound_vector", lambda like: vector)
    hits = searcher.search(like="x.wav", k=40)
    assert [hit.score for hit in hits] == [hit.similarity for hit in hits]
    blended = searcher.search("rain", like="x.wav", k=40)
    assert blended[_place(blended, ids[0])].name_rank == 1


@pytest.mark.parametrize("weight", [-0.1, 1.5, float("nan")])
def test_senseless_weights_are_refused(searcher: Searcher, weight: float) -> None:
    with pytest.raises(QueryError, match="captions_weight"):
        searcher.search("rain", captions_weight=weight)


def test_changes_show_up_in_a_warm_searcher(
    searcher: Searcher, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "_FEW_WINDOWS", 0)  # every change writes the caches anew
    ids = _fill(database)
    put_captions(database, MODEL, {ids[3]: "rain", ids[4]: "a bird"})
    assert searcher.search("rain", k=40)[0].caption in ("rain", None)
    assert _ranks(searcher) == {ids[3]: 1}
    with database.transaction() as connection:
        database.next_revision()
        connection.execute("DELETE FROM captions WHERE clip_id = ?", (ids[3],))
    assert _ranks(searcher) == {}
    put_captions(database, MODEL, {ids[5]: "rain"})
    assert _ranks(searcher) == {ids[5]: 1}
    assert len(list(searcher._captions._vectors._folder.glob("captions.cache"))) == 1


def _ranks(searcher: Searcher) -> dict[int, int]:
    hits = searcher.search("rain", k=100)
    return {_by_path(hit.path) + 1: hit.name_rank for hit in hits if hit.name_rank}


def test_a_cache_of_captions_is_as_good_as_the_database(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = _fill(database)
    put_captions(database, MODEL, dict(zip(ids, list(TEXTS) * 7, strict=False)))
    plain = Searcher(database, MODEL, tmp_path / "none").search("rain", k=40)
    monkeypatch.setattr(vectors, "_FEW_WINDOWS", 0)
    assert Searcher(database, MODEL, tmp_path / "cache").search("rain", k=40) == plain
    assert (tmp_path / "cache" / "captions.cache").exists()
    assert Searcher(database, MODEL, tmp_path / "cache").search("rain", k=40) == plain


QUERIES = [
    'rain" OR "thunder',
    "rain AND",
    "NEAR(rain)",
    "text: rain",
    "rain*",
    "-rain",
    "it's rain",
]


@pytest.mark.parametrize("query", QUERIES)
def test_operators_and_quotes_are_words(database: Database, tmp_path: Path, query: str) -> None:
    model = table_model({**TEXTS, **{text: [1, 0, 0, 0] for text in QUERIES}})
    ids = _fill(database, 2)
    put_captions(database, model, {ids[0]: "rain"})
    hits = Searcher(database, model, tmp_path / "cache").search(query)
    assert {hit.path: hit.name_rank for hit in hits}["/s/000.wav"] == 1


def test_captions_of_clips_that_cannot_be_heard_are_passed_over(
    searcher: Searcher, database: Database
) -> None:
    ids = _fill(database, 3)
    put_captions(database, MODEL, dict.fromkeys(ids, "rain"))
    with database.transaction() as connection:
        database.next_revision()
        connection.execute("UPDATE clips SET n_windows = 0, windows = x'' WHERE id = ?", ids[:1])
        connection.execute("UPDATE captions SET vector = NULL WHERE clip_id = ?", ids[1:2])
    assert sorted(_order(searcher.search("rain"))) == ["/s/001.wav", "/s/002.wav"]


# One seed makes a library; captions are drawn anew for each example.
@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory):
    database = new_database(tmp_path_factory.mktemp("shared"), 4)
    ids = _fill(database, 30, seed=5)
    yield database, ids, Searcher(database, MODEL, tmp_path_factory.mktemp("cache"))
    database.close()


_CAPTIONS = st.dictionaries(st.integers(0, 29), st.sampled_from(sorted(TEXTS)), max_size=30)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_CAPTIONS, _CAPTIONS, st.integers(1, 30), st.floats(0, 1))
def test_more_hits_begin_with_the_fewer(shared, users, generated, k: int, weight: float) -> None:
    database, ids, searcher = shared
    with database.transaction() as connection:
        database.next_revision()
        connection.execute("DELETE FROM captions")
    put_captions(database, MODEL, {ids[place]: text for place, text in users.items()})
    put_captions(database, MODEL, {ids[p]: text for p, text in generated.items()}, by="c")
    every = searcher.search("rain", k=30, captions_weight=weight)
    assert len({hit.path for hit in every}) == 30
    assert searcher.search("rain", k=k, captions_weight=weight) == every[:k]
    shown = {_by_path(hit.path): hit.caption for hit in every}
    assert shown == {place: users.get(place, generated.get(place)) for place in range(30)}


_SCORES = st.lists(st.floats(-1, 1, width=16), min_size=1, max_size=60)


@given(_SCORES, st.integers(0, 1000), st.floats(0, 1))
def test_captions_only_add_and_in_the_order_of_their_cosines(
    values: list[float], seed: int, weight: float
) -> None:
    rng = np.random.default_rng(seed)
    scores = np.array(values, dtype=np.float32)
    cosines = rng.uniform(-1, 1, scores.size).astype(np.float32)
    cosines[rng.random(scores.size) < 0.3] = np.nan
    before = scores.copy()
    raised = with_captions(scores, cosines, weight)
    np.testing.assert_array_equal(scores, before)
    added = raised.astype(np.float64) - scores
    assert (added >= 0).all()
    assert (added[np.isnan(cosines)] == 0).all()
    known = np.flatnonzero(~np.isnan(cosines))
    by_cosine = known[np.argsort(cosines[known])]
    assert (np.diff(added[by_cosine]) >= -1e-6).all()
    if weight == 0:
        assert raised is scores


def test_the_scale_of_captions_does_not_matter_where_there_are_many() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0.1, 0.1, 20_000).astype(np.float32)
    cosines = rng.normal(0.0, 0.1, 20_000).astype(np.float32)
    wide = with_captions(scores, 3 * cosines + 0.2, 0.5)
    np.testing.assert_allclose(wide, with_captions(scores, cosines, 0.5), atol=3e-3)
    # An outstanding caption is worth half of what an equally outstanding sound is above the mean.
    cosines[7] = 0.5
    assert with_captions(scores, cosines, 0.5)[7] - scores[7] == pytest.approx(0.25, abs=0.02)


def test_a_single_caption_counts_by_its_cosine() -> None:
    scores = np.linspace(-0.1, 0.3, 1000).astype(np.float32)
    cosines = np.full(1000, np.nan, dtype=np.float32)
    cosines[0] = 0.9
    raised = with_captions(scores, cosines, 0.5)
    assert raised[0] - scores[0] == pytest.approx(0.5 * (0.9 - 0.1), rel=0.35)
    same = np.full(1000, 0.2, dtype=np.float32)
    assert with_captions(same, cosines, 0.5).argmax() == 0
