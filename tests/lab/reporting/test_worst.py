from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.lab.reporting.figures import first_ranks
from soundseek.lab.reporting.listening import address
from soundseek.lab.reporting.worst import worst_queries
from soundseek.lab.reporting.worst_page import worst_page
from soundseek.lab.similarities import ListedSound, Similarities
from soundseek.metrics import relevant_positions

pytestmark = pytest.mark.lab


def ranks_of(found: Any) -> Any:
    return first_ranks(relevant_positions(found.scores, found.relevant))


def test_the_worst_come_first_with_what_came_instead(found: Any) -> None:
    worst = worst_queries(found, ranks_of(found))
    ranks = ranks_of(found)
    assert [one.rank for one in worst] == sorted((int(r) for r in ranks if r > 1), reverse=True)
    first = next(one for one in worst if one.query == found.queries[0])
    assert (first.rank, first.relevant, first.right.clip.id) == (6, 1, "c0")
    assert [(one.clip.id, round(one.score, 3)) for one in first.instead] == [
        ("c2", 0.9),
        ("c3", 0.7),
        ("c4", 0.6),
    ]
    assert all(one.query != found.queries[1] for one in worst)
    assert len(worst_queries(found, ranks, 2)) == 2
    for one in worst:
        assert len(one.instead) == min(3, one.rank - 1)


def test_equal_scores_keep_the_order_of_queries_and_the_best_of_several_is_shown() -> None:
    clips = [ListedSound(str(i), f"{i}.wav", 0.0, 1.0) for i in range(4)]
    relevant = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], np.bool_)
    scores = np.array([[0.1, 0.2, 0.9, 0.2], [0.2, 0.1, 0.9, 0.2]], np.float32)
    tied = Similarities(["b", "a"], clips, scores, relevant)
    one, two = worst_queries(tied, ranks_of(tied))
    assert (one.query, two.query) == ("b", "a")
    assert (one.rank, one.relevant, one.right.clip.id) == (3, 2, "1")
    assert [heard.clip.id for heard in two.instead] == ["2", "3"]


def test_addresses(tmp_path: Path) -> None:
    inside = ListedSound("a", str(tmp_path / "run" / "sö #1?" / "a%b.wav"), 1.25, 0.5)
    shown = address(inside, tmp_path / "run")
    assert shown == "./s%C3%B6%20%231%3F/a%25b.wav#t=1.25,1.75"
    outside = address(ListedSound("b", str(tmp_path / "ü & c.wav"), 0.0, 2.0), tmp_path / "run")
    parts = urlsplit(outside)
    assert parts.scheme == "file"
    assert Path(unquote(parts.path)) == tmp_path / "ü & c.wav"
    assert parts.fragment == "t=0,2"
    assert "#" not in address(ListedSound("c", "/x.wav", 0.0, 0.0), tmp_path)


def test_relative_paths_are_those_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip = ListedSound("a", "run/a.wav", 0.0, 0.0)
    assert address(clip, Path("run")) == "./a.wav"
    assert address(clip, Path("other")) == (tmp_path / "run" / "a.wav").as_uri()


def test_a_page_says_which_sounds_are_not_there(found: Any, tmp_path: Path) -> None:
    worst = worst_queries(found, ranks_of(found))
    sizes: Any = {"queries": 12, "clips": 6}
    shown = worst_page("r", "test", worst, tmp_path, **sizes)
    listed = sum(1 + len(one.instead) for one in worst)
    assert f"{listed} of {listed} sounds are not there" in shown
    assert "<audio" not in shown
    for clip in found.clips:
        Path(clip.path).parent.mkdir(exist_ok=True)
        Path(clip.path).write_bytes(b"")
    shown = worst_page("r", "test", worst, tmp_path, **sizes)
    assert "not there" not in shown
    assert shown.count('<audio controls preload="none"') == listed
    assert "Every query finds" in worst_page("r", "test", [], tmp_path, **sizes)


def test_names_that_are_no_text_can_be_written(tmp_path: Path, found: Any) -> None:
    clips = [ListedSound("x", "/x/\udcff\x01.wav", 0.0, 1.0), *found.clips[1:]]
    odd = Similarities(found.queries, clips, found.scores, found.relevant)
    shown = worst_page(
        "r", "test", worst_queries(odd, ranks_of(odd)), tmp_path, queries=12, clips=6
    )
    assert "��.wav" in shown
    shown.encode("utf-8")
    assert address(clips[0], tmp_path).startswith("file:///x/%FF%01.wav#")
