from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from support.command_line import succeeded, typed


def hits(*arguments: str | Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(succeeded("search", *arguments, "--json"))["hits"]
    return found


def paths(*arguments: str | Path) -> list[str]:
    return [str(hit["path"]) for hit in hits(*arguments)]


@pytest.mark.parametrize("word", ["low", "middle", "high", "noise", "clicks"])
def test_a_description_finds_its_sound(word: str, sounds: dict[str, Path]) -> None:
    assert paths(word)[0] == str(sounds[word])


def test_words_need_no_quotes(sounds: dict[str, Path]) -> None:
    assert paths("a", "high", "tone") == paths("a high tone")


def test_the_json_contract(sounds: dict[str, Path]) -> None:
    answer = json.loads(succeeded("search", "a high tone", "--json", "-k", "2"))
    assert list(answer) == ["query", "hits"]
    assert answer["query"] == "a high tone"
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2]
    first = answer["hits"][0]
    assert list(first)[:6] == ["rank", "score", "path", "start_s", "end_s", "duration_s"]
    assert (first["start_s"], first["duration_s"], first["channels"]) == (0.0, 3.0, 1)


def test_the_table(sounds: dict[str, Path]) -> None:
    result = typed("search", "a high tone", "-k", "2")
    heading, first, second = result.stdout.splitlines()
    assert heading.split() == ["#", "sound", "where", "length", "file"]
    assert first.split()[0] == "1"
    assert "0:00–0:0" in first
    assert "3.0 s" in first
    assert first.endswith("rec2.wav")
    assert second.split()[0] == "2"
    assert result.stderr.startswith("library: ")


def test_the_table_tells_which_names_fit(sounds: dict[str, Path]) -> None:
    heading, *rows = succeeded("search", "rec3").splitlines()
    assert heading.split() == ["#", "sound", "name", "where", "length", "file"]
    (named,) = [row.split()[2] for row in rows if row.endswith("rec3.wav")]
    assert named == "#1"


def test_sound_is_how_well_it_fits(sounds: dict[str, Path]) -> None:
    _, first, *_ = succeeded("search", "a high tone", "--no-names").splitlines()
    assert 0.9 < float(first.split()[1]) <= 1


def test_names_count_unless_refused(sounds: dict[str, Path]) -> None:
    named = [hit for hit in hits("rec3") if hit["name_rank"] == 1]
    assert [hit["path"] for hit in named] == [str(sounds["noise"])]
    assert {hit["name_rank"] for hit in hits("rec3", "--no-names")} == {None}


def test_a_sound_as_the_query(sounds: dict[str, Path]) -> None:
    answer = json.loads(succeeded("search", "--like", sounds["clicks"], "--json"))
    assert answer["query"] is None
    assert answer["hits"][0]["path"] == str(sounds["clicks"])
    assert answer["hits"][0]["similarity"] == pytest.approx(1, abs=1e-3)


def test_a_sound_that_should_not_be_heard_sinks(sounds: dict[str, Path]) -> None:
    both = ["low noise", "--no-names"]
    before = paths(*both).index(str(sounds["noise"]))
    after = paths(*both, "--without", "noise").index(str(sounds["noise"]))
    assert after > before


def test_filters(sounds: dict[str, Path]) -> None:
    assert paths("low", "--min-duration", "0:04") == []
    assert paths("low", "--max-duration", "2.5") == []
    assert len(paths("low", "--min-duration", "3", "--max-duration", "0:03")) == 6
    assert paths("low", "--format", "flac") == []
    assert len(paths("low", "--format", "WAV", "--format", "flac")) == 6
    assert paths("low", "--folder", "elsewhere") == []
    assert len(paths("low", "--folder", sounds["low"].parent)) == 6


def test_nothing_found_is_told_on_stderr(sounds: dict[str, Path]) -> None:
    result = typed("search", "low", "--format", "flac")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no sound fits" in result.stderr


def test_csv(sounds: dict[str, Path]) -> None:
    rows = list(csv.DictReader(io.StringIO(succeeded("search", "high", "--csv", "-k", "2"))))
    assert [row["rank"] for row in rows] == ["1", "2"]
    assert rows[0]["path"] == str(sounds["high"])


def test_m3u(sounds: dict[str, Path]) -> None:
    lines = succeeded("search", "high", "--m3u", "-k", "1").splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == str(sounds["high"])


def test_print0(sounds: dict[str, Path]) -> None:
    result = typed("search", "high", "-0", "-k", "2")
    first, second, rest = result.stdout_bytes.split(b"\0")
    assert first.decode() == str(sounds["high"])
    assert second
    assert rest == b""
    assert result.stderr == ""


def test_many_queries_from_a_file(sounds: dict[str, Path], home: Path) -> None:
    (home / "queries.txt").write_text("\ufeffhigh\n\n  low  \n", encoding="utf-8")
    answers = json.loads(succeeded("search", "--queries", "queries.txt", "--json"))
    assert [answer["query"] for answer in answers["queries"]] == ["high", "low"]
    for answer in answers["queries"]:
        assert answer["hits"][0]["path"] == str(sounds[answer["query"]])


def test_many_queries_from_stdin(sounds: dict[str, Path]) -> None:
    assert succeeded("search", "--queries", "-", "-k", "1", stdin="high\nlow\n").count("rec") == 2
    table = succeeded("search", "--queries", "-", "--csv", "-k", "1", stdin="high\nlow\n")
    assert [row["query"] for row in csv.DictReader(io.StringIO(table))] == ["high", "low"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "describe a sound"),
        (["high", "--json", "--csv"], "--json and --csv cannot go together"),
        (["high", "--m3u", "-0"], "--m3u and --print0 cannot go together"),
        (["high", "--queries", "-"], "--queries FILE takes the place"),
        (["--like", "x.wav", "--queries", "-"], "--queries FILE takes the place"),
        (["high", "-k", "many"], "-k"),
        (["high", "--min-duration", "soon"], "is no duration"),
        (["high", "--min-duration", "5", "--max-duration", "1"], "at least 5 s and at most 1 s"),
        (["--like", "missing.wav"], "missing.wav"),
        (["--queries", "missing.txt"], "missing.txt"),
        (["high", "--model", "unknown"], "unknown"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], message: str, sounds: dict[str, Path]
) -> None:
    result = typed("search", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("content", "message"), [(b"\n \n", "no query in"), (b"\xff\xfe", "not UTF-8")]
)
def test_queries_that_are_none(content: bytes, message: str, sounds: dict[str, Path]) -> None:
    result = typed("search", "--queries", "-", stdin=content)
    assert result.exit_code == 2
    assert message in result.stderr


def test_no_queries_on_the_standard_input(sounds: dict[str, Path]) -> None:
    for content, problem in ((b"\n \n", "no query in"), (b"\xff", "not UTF-8")):
        result = typed("search", "--queries", "-", stdin=content)
        assert result.exit_code == 2
        assert problem in result.stderr
        assert "the standard input" in result.stderr


@pytest.mark.skipif("sys.platform == 'win32'", reason="Windows has no such names")
def test_csv_has_the_paths_as_they_are(
    sounds: dict[str, Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUNDSEEK_LIBRARY", str(home / "library"))
    odd = home / "sounds" / '\x1b[31mred, "loud"\n.wav'
    odd.parent.mkdir()
    shutil.copy(sounds["high"], odd)
    succeeded("index", "sounds")
    (row,) = csv.DictReader(io.StringIO(succeeded("search", "high", "--csv"), newline=""))
    assert row["path"] == str(odd)
