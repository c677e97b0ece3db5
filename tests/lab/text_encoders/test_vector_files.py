from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.lab.text_encoders import vector_files
from soundseek.lab.text_encoders.vector_files import read_vectors

pytestmark = pytest.mark.lab

WORDS = ["</s>", "dog", "Dog", "New_York", "größe", "雨", "dog's", "7"]


def values(n: int = len(WORDS), dimension: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, dimension)).astype(np.float32)


def text(words: list[str], vectors: np.ndarray, *, header: bool, end: str = "\n") -> bytes:
    """With the space that the original tool leaves at each line's end, when there is a header."""
    lines = [f"{len(words)} {vectors.shape[1]}"] if header else []
    for word, vector in zip(words, vectors, strict=True):
        lines.append(" ".join([word, *map(repr, vector.tolist())]) + (" " if header else ""))
    return (end.join(lines) + end).encode()


def binary(words: list[str], vectors: np.ndarray, *, end: bytes = b"\n") -> bytes:
    rows = zip(words, vectors, strict=True)
    body = b"".join(word.encode() + b" " + vector.tobytes() + end for word, vector in rows)
    return f"{len(words)} {vectors.shape[1]}\n".encode() + body


FORMATS: dict[str, Callable[[list[str], np.ndarray], bytes]] = {
    "word2vec text": lambda words, vectors: text(words, vectors, header=True),
    "glove": lambda words, vectors: text(words, vectors, header=False),
    "glove with CRLF": lambda words, vectors: text(words, vectors, header=False, end="\r\n"),
    "binary, original tool": binary,
    "binary, gensim": lambda words, vectors: binary(words, vectors, end=b""),
    "gzipped text": lambda words, vectors: gzip.compress(text(words, vectors, header=True)),
    "gzipped binary": lambda words, vectors: gzip.compress(binary(words, vectors)),
}


@pytest.fixture(params=list(FORMATS))
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "vectors"
    path.write_bytes(FORMATS[request.param](WORDS, values()))
    return path


def test_all_words(file: Path) -> None:
    table = read_vectors(file)
    assert table.words == WORDS
    assert table.vectors.dtype == np.float32
    assert table.dimension == 5
    np.testing.assert_array_equal(table.vectors, values())


def test_only_the_words_asked_for_in_the_order_of_the_file(file: Path) -> None:
    table = read_vectors(file, {"雨", "dog", "absent"})
    assert table.words == ["dog", "雨"]
    np.testing.assert_array_equal(table.vectors, values()[[1, 5]])
    assert read_vectors(file, []).vectors.shape == (0, 5)


def test_the_first_words_besides(file: Path) -> None:
    assert read_vectors(file, ["7", "dog"], first=3).words == ["</s>", "dog", "Dog", "7"]
    assert read_vectors(file, [], first=99).words == WORDS


@settings(deadline=None, max_examples=40)
@given(
    words=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1),
        min_size=1,
        max_size=12,
        unique=True,
    ),
    dimension=st.integers(4, 40),
    name=st.sampled_from(sorted(FORMATS)),
    chunk=st.integers(1, 200),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    words: list[str],
    dimension: int,
    name: str,
    chunk: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.vec"
    vectors = values(len(words), dimension)
    path.write_bytes(FORMATS[name](words, vectors))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector_files, "_CHUNK", chunk)
        table = read_vectors(path)
    assert table.words == words
    np.testing.assert_array_equal(table.vectors, vectors)


def test_a_file_of_many_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_files, "_CHUNK", 1000)
    monkeypatch.setattr(vector_files, "_LOOKED_AT", 500)
    words = [f"word{index}" for index in range(300)]
    for name, write in FORMATS.items():
        path = tmp_path / name
        path.write_bytes(write(words, values(300, 20)))
        np.testing.assert_array_equal(read_vectors(path).vectors, values(300, 20))


def test_the_first_of_a_word_twice_in_the_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "twice"
    path.write_bytes(binary(["a", "b", "a"], values(3)))
    table = read_vectors(path)
    assert table.words == ["a", "b"]
    np.testing.assert_array_equal(table.vectors, values(3)[:2])


def test_words_with_spaces(tmp_path: Path) -> None:
    """GloVe 840B has some."""
    path = tmp_path / "glove"
    path.write_bytes(text(["the", "at name@example.com", ". . ."], values(3), header=False))
    assert read_vectors(path).words == ["the", "at name@example.com", ". . ."]
    assert read_vectors(path, ["at", "the"]).words == ["the"]


def test_words_that_are_no_utf8_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_bytes(binary(["café", "dog"], values(2)).replace("é".encode(), b"\xc3"))
    assert read_vectors(path).words == ["dog"]


def test_a_big_file_costs_the_memory_of_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "big"
    words = [f"w{index}" for index in range(20_000)]
    path.write_bytes(binary(words, values(20_000, 300)))
    tracemalloc.start()
    table = read_vectors(path, ["w7", "w19999"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(table.words) == 2
    assert path.stat().st_size > 24_000_000
    assert peak < 15_000_000


GOOD_TEXT = text(WORDS, values(), header=True)
GOOD_BINARY = binary(WORDS, values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no word vectors"),
        (b"\n\n", "holds no word vectors"),
        (b"\x00\x01\x02 no vectors", "no file of word vectors that is known here"),
        (b"word\n", "line 1: 0 values, not a vector"),
        (b"0 5\n", "line 1 announces 0 words of 5 values"),
        (b"2 3\na 1 2 3\nb 1 2\n", "line 3: 2 values, not 3"),
        (b"2 3\na 1 2 3\nb 1 x 3\n", "line 3: could not convert string to float"),
        (b"a 1 2 3\nb 1 2 3\nc 1 2 3.5e", "line 3: could not convert string to float"),
        (b"a 1 2 3\nb 1 nan 3\n", r"the vector of 'b' holds values that are not finite\n"),
        (b"a 1 inf 3\nb 1 nan 3\n", "'a' holds values that are not finite, and so do 1 more"),
        (b"3 3\na 1 2 3\nb 1 2 3\n", "ends at line 3 after 2 words; line 1 announces 3"),
        (b"1 3\na 1 2 3\nb 1 2 3\n", "ends at line 3 after 2 words; line 1 announces 1"),
        (GOOD_BINARY[:-9], rf"ends at byte {len(GOOD_BINARY) - 9}, in word 8 of 8"),
        (GOOD_BINARY[:60], r"ends at byte 60, in word 3 of 8"),
        (GOOD_BINARY + b"more", f"byte {len(GOOD_BINARY) - 1}: more follows the 8 words announced"),
        (b"3 1\n" + b"\x00" * 9000, "byte 4: no word where word 1 should be"),
        (gzip.compress(GOOD_TEXT, mtime=0)[:-20], r"cannot be read: .*end-of-stream"),
        (gzip.compress(GOOD_TEXT, mtime=0)[:10] + b"\xff" * 50, "cannot be read: Error -3"),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "damaged.vec"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_vectors(path)
    assert str(path) in str(caught.value)


def test_damage_is_found_in_rows_that_nobody_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "damaged.vec"
    path.write_bytes(b"a 1 2 3\nb 1 2\nc 1 2 3\n")
    with pytest.raises(DataError, match="line 2: 2 values, not 3"):
        read_vectors(path, ["a"])
    path.write_bytes(b"a 1 2 3\nb 1 2 3\nc 1 2 -")
    with pytest.raises(DataError, match="line 3: could not convert"):
        read_vectors(path, ["a"])


@pytest.mark.parametrize("content", [GOOD_TEXT, GOOD_BINARY], ids=["text", "binary"])
def test_a_file_cut_anywhere_is_an_error(tmp_path: Path, content: bytes) -> None:
    """But for the last digits of a text or the last line end, whose loss nobody can tell."""
    path = tmp_path / "cut"
    told = content.rstrip().rindex(b" ") + 2 if content == GOOD_TEXT else len(content) - 1
    for cut in range(told):
        path.write_bytes(content[:cut])
        with pytest.raises(DataError):
            read_vectors(path, ["dog"])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no word vectors at .*absent\n.*downloaded"):
        read_vectors(tmp_path / "absent")
