"""Searching a library whose vectors are known, so that the right answer is, too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from soundseek.errors import QueryError
from soundseek.library import vectors
from soundseek.library.database import Database
from soundseek.library.hits import Hit
from soundseek.library.search import Searcher
from support.vector_library import HOP_S, WINDOW_S, Clip, add_clips, new_database, table_model

TEXTS = {
    "rain": [1, 0, 0, 0],
    "thunder": [0, 1, 0, 0],
    "bells": [0, 0, 1, 0],
    "loon": [0, 0, 0, 1],
}
CLIPS = {
    "shower": Clip([[0.9, 0.1, 0, 0.3], [1, 0, 0, 0.1]], ["/s/wet/a1.wav"], tags=["take one"]),
    "storm": Clip([[0.9, 0, 0.2, 0.1], [0.2, 1, 0, 0]], ["/s/wet/a2.flac"], format="flac"),
    "church": Clip([0, 0.1, 1, 0], ["/s/town/b.wav", "/s/wet/copy of b.wav"], duration_s=60.0),
    "bird": Clip([0.1, 0, 0.1, 1], ["/s/lake/loon.wav"], duration_s=0.4),
    "gone": Clip([1, 0, 0, 0], ["/s/wet/deleted.wav"], state="missing"),
}


@pytest.fixture
def database(tmp_path: Path):
    database = new_database(tmp_path / "library", 4)
    add_clips(database, list(CLIPS.values()))
    yield database
    database.close()


@pytest.fixture
def searcher(database: Database, tmp_path: Path) -> Searcher:
    return Searcher(database, table_model(TEXTS), tmp_path / "cache")


def _names(hits: Sequence[Hit]) -> list[str]:
    owner = {path: name for name, clip in CLIPS.items() for path in clip.paths}
    return [owner[hit.path] for hit in hits]


def test_the_best_window_is_told(searcher: Searcher) -> None:
    first, second, *_ = hits = searcher.search("rain", hybrid=False)
    assert _names(hits) == ["shower", "storm", "bird", "church"]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert (first.start_s, first.end_s) == (HOP_S, 2 * HOP_S)  # cut at the end of the file
    assert (second.start_s, second.end_s) == (0.0, WINDOW_S)
    assert [hit.score for hit in hits] == [hit.similarity for hit in hits]
    assert first.tags == ("take one",)
    assert (first.format, first.sample_rate, first.channels) == ("wav", 44100, 2)
    assert first.name_rank is None


def test_missing_files_are_no_hits(searcher: Searcher) -> None:
    assert "gone" not in _names(searcher.search("rain", k=100))


def test_a_window_never_ends_behind_its_file(searcher: Searcher) -> None:
    (hit,) = searcher.search("loon", k=1)
    assert (hit.start_s, hit.end_s, hit.duration_s) == (0.0, 0.4, 0.4)


def test_names_count_unless_told_not_to(searcher: Searcher, database: Database) -> None:
    add_clips(database, [Clip([0, 0, 0.2, 1], ["/s/x/thunder.wav"])])
    by_sound = searcher.search("thunder", hybrid=False)
    assert by_sound[0].path == "/s/wet/a2.flac"
    assert by_sound[-1].path == "/s/x/thunder.wav"
    hits = searcher.search("thunder")
    assert {hit.path for hit in hits[:2]} == {"/s/x/thunder.wav", "/s/wet/a2.flac"}
    named = next(hit for hit in hits if hit.path == "/s/x/thunder.wav")
    assert named.name_rank == 1
    assert named.similarity == pytest.approx(0, abs=1e-3)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_copies_are_one_hit(searcher: Searcher) -> None:
    (hit,) = searcher.search("bells", k=1)
    assert (hit.path, hit.also) == ("/s/town/b.wav", ("/s/wet/copy of b.wav",))
    (hit,) = searcher.search("bells", k=1, folders=["/s/wet"], hybrid=False)
    assert (hit.path, hit.also) == ("/s/wet/copy of b.wav", ("/s/town/b.wav",))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"folders": ["/s/wet"]}, {"shower", "storm", "church"}),
        ({"folders": ["/s/lake", "/s/town/"]}, {"bird", "church"}),
        ({"folders": ["/nowhere"]}, set()),
        ({"formats": ["FLAC"]}, {"storm"}),
        ({"formats": ["flac", ".wav"]}, {"shower", "storm", "church", "bird"}),
        ({"formats": ["xyz"]}, set()),
        ({"min_duration": 2}, {"shower", "storm", "church"}),
        ({"max_duration": 2}, {"shower", "storm", "bird"}),
        ({"min_duration": 2, "max_duration": 2.0}, {"shower", "storm"}),
        ({"min_duration": 2, "formats": ["wav"], "folders": ["/s/town"]}, {"church"}),
    ],
)
@pytest.mark.parametrize("hybrid", [True, False])
def test_filters(searcher: Searcher, filters: dict, expected: set[str], hybrid: bool) -> None:
    assert set(_names(searcher.search("rain", hybrid=hybrid, **filters))) == expected


def test_filters_come_before_the_best_k(searcher: Searcher) -> None:
    assert _names(searcher.search("rain", k=1, folders=["/s/lake"], hybrid=False)) == ["bird"]


def test_without_prefers_clips_that_do_not_have_it(searcher: Searcher) -> None:
    hits = searcher.search("rain", without="thunder", hybrid=False)
    assert _names(hits)[0] == "shower"
    storm = next(hit for hit in hits if hit.path == "/s/wet/a2.flac")
    plain = next(
        hit for hit in searcher.search("rain", hybrid=False) if hit.path == "/s/wet/a2.flac"
    )
    assert storm.similarity == plain.similarity
    assert storm.score < plain.score - 0.5


def test_without_takes_names_out_of_the_names(searcher: Searcher, database: Database) -> None:
    add_clips(database, [Clip([0.5, 0, 0, 0.5], ["/s/x/rain bells.wav"])])
    path = "/s/x/rain bells.wav"
    ranks = [
        next(hit.name_rank for hit in hits if hit.path == path)
        for hits in (searcher.search("rain"), searcher.search("rain", without="bells"))
    ]
    assert ranks == [1, None]


def test_many_texts_equal_one_by_one(searcher: Searcher) -> None:
    texts = ["rain", "bells", "rain"]
    options = {"k": 3, "without": "loon", "min_duration": 0.5}
    assert searcher.search_many(texts, **options) == [
        searcher.search(text, **options) for text in texts
    ]
    assert searcher.search_many([]) == []


def test_one_bad_text_of_many_is_refused_before_any_is_answered(searcher: Searcher) -> None:
    with pytest.raises(QueryError, match="empty"):
        searcher.search_many(["rain", " "])


@pytest.mark.parametrize(
    "changes",
    [
        {"text": ""},
        {"text": None},
        {"text": "rain", "k": 0},
        {"text": "rain " * 10_000},
        {"text": "rain", "min_duration": 3, "max_duration": 2},
    ],
)
def test_senseless_queries_are_refused(searcher: Searcher, changes: dict) -> None:
    with pytest.raises(QueryError):
        searcher.search(**changes)


def test_an_empty_library_has_no_hits(tmp_path: Path) -> None:
    database = new_database(tmp_path, 4)
    assert Searcher(database, table_model(TEXTS), tmp_path / "cache").search("rain") == []
    database.close()


def test_asking_for_more_than_there_is(searcher: Searcher) -> None:
    assert len(searcher.search("rain", k=10**9)) == 4


@pytest.mark.parametrize("hybrid", [True, False])
def test_more_hits_begin_with_the_fewer(searcher: Searcher, hybrid: bool) -> None:
    every = searcher.search("rain", k=10, hybrid=hybrid)
    for k in range(1, 5):
        assert searcher.search("rain", k=k, hybrid=hybrid) == every[:k]


def test_changes_show_up_in_a_warm_searcher(searcher: Searcher, database: Database) -> None:
    searcher.search("rain")
    add_clips(database, [Clip([1, 0, 0, 0], ["/s/new.wav"])])
    assert searcher.search("rain", k=1)[0].path == "/s/new.wav"
    with database.transaction() as connection:
        database.next_revision()
        for state, path in (("missing", b"/s/new.wav"), ("present", b"/s/wet/deleted.wav")):
            connection.execute("UPDATE files SET state = ? WHERE path = ?", (state, path))
    assert searcher.search("rain", k=1)[0].path == "/s/wet/deleted.wav"


def test_a_clip_that_took_over_an_id_is_found_once_and_the_old_one_never(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "_FEW_WINDOWS", 0)
    (old_id,) = add_clips(database, [Clip([1, 0, 0, 0], ["/s/old.wav"])])
    searcher = Searcher(database, table_model(TEXTS), tmp_path / "cache")
    assert searcher.search("rain", k=1)[0].path == "/s/old.wav"
    assert (tmp_path / "cache").exists()  # with the old clip in it
    monkeypatch.setattr(vectors, "_FEW_WINDOWS", 1000)
    with database.transaction() as connection:
        database.next_revision()
        connection.execute("DELETE FROM names WHERE rowid = (SELECT max(id) FROM files)")
        connection.execute("DELETE FROM files WHERE clip_id = ?", (old_id,))
        connection.execute("DELETE FROM clips WHERE id = ?", (old_id,))
    assert add_clips(database, [Clip([0, 0.1, 0, 1], ["/s/new.wav"])]) == [old_id]
    hits = searcher.search("rain", k=100, hybrid=False)
    assert [hit.path for hit in hits].count("/s/new.wav") == 1
    assert hits[0].path == "/s/wet/a1.wav"


def test_a_searcher_leaves_no_transaction_open(searcher: Searcher, database: Database) -> None:
    searcher.search("rain")
    with pytest.raises(QueryError):
        searcher.search("unknown words")
    assert not database.connection.in_transaction


def test_searching_inside_a_transaction_leaves_it_open(
    searcher: Searcher, database: Database
) -> None:
    with database.transaction():
        assert searcher.search("rain", k=1)[0].path == "/s/wet/a1.wav"
        assert database.connection.in_transaction


def test_paths_that_are_not_text(searcher: Searcher, database: Database) -> None:
    add_clips(database, [Clip([1, 0, 0, 0], ["/s/\udcff\udcfe.wav"])])
    hit = searcher.search("rain", k=1)[0]
    assert hit.path == "/s/\udcff\udcfe.wav"
    assert hit.to_dict()["path"] == hit.path
