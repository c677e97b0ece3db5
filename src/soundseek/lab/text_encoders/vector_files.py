"""Word-vector files: word2vec as text or binary, GloVe as text, gensim's own; the first three also
gzipped.

Only the rows asked for are kept: three million words of 300 values cost their reading, not their
memory. Words are compared as bytes of UTF-8.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import DataError
from soundseek.lab.text_encoders.gensim_vectors import read_gensim
from soundseek.lab.text_encoders.word_table import AGAIN, Wanted, WordTable, checked_table

_GZIP: Final = b"\x1f\x8b"
_PICKLE: Final = b"\x80"
_HEADER: Final = re.compile(rb"\s*(\d+)[ \t]+(\d+)[ \t]*(?:\r?\n|\Z)")
# Control characters, which no text has and hardly any row of floats lacks.
_BINARY: Final = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_LONGEST_HEADER = 64
_LONGEST_WORD = 4096
_LOOKED_AT = 1 << 16
_CHUNK = 1 << 22


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def read_vectors(
    path: str | Path, words: Collection[str] | None = None, *, first: int = 0
) -> WordTable:
    """Read the vectors of `words` (None: of all), and of the first `first` words of the file.

    The format is told by the content: gensim's `KeyedVectors.save` (with its `.vectors.npy`
    beside it), word2vec with its header line, binary or text, and GloVe's text without one. Words
    that the file does not have are absent from the result.

    Raises `DataError` naming file and position when it is missing, truncated, garbled, holds a
    value that is not finite, or, for gensim's, would execute code when read.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"no word vectors at {path}",
            remedy="give a word2vec, GloVe or gensim file that you have downloaded",
        )
    wanted = Wanted(words, first)
    try:
        with path.open("rb") as raw:
            beginning = raw.read(2)
        if beginning.startswith(_PICKLE):
            return read_gensim(path, wanted)
        with path.open("rb") as raw:
            packed = beginning == _GZIP
            return _read_stream(path, gzip.GzipFile(fileobj=raw) if packed else raw, wanted)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}", remedy=AGAIN) from error


def _read_stream(path: Path, stream: _Readable, wanted: Wanted) -> WordTable:
    beginning = stream.read(_LONGEST_HEADER + _LOOKED_AT)
    header = _HEADER.match(beginning[:_LONGEST_HEADER])
    if header is None:
        if _is_binary(beginning):
            raise DataError(f"{path} is no file of word vectors that is known here", remedy=AGAIN)
        return _read_text(path, stream, beginning, None, wanted)
    count, dimension = int(header[1]), int(header[2])
    if count == 0 or dimension == 0:
        raise DataError(f"{path}: line 1 announces {count} words of {dimension} values")
    rest = beginning[header.end() :]
    read = _read_binary if _is_binary(rest) else _read_text
    return read(path, stream, rest, (count, dimension, header.end()), wanted)


def _read_text(
    path: Path,
    stream: _Readable,
    beginning: bytes,
    header: tuple[int, int, int] | None,
    wanted: Wanted,
) -> WordTable:
    words: list[bytes] = []
    rows: list[NDArray[np.float32]] = []
    dimension = 0 if header is None else header[1]
    line_number = 0 if header is None else 1
    row = 0
    last: tuple[int, bytes] | None = None
    for line in _lines(stream, beginning):
        line_number += 1
        line = line.rstrip(b"\r\n ")
        if not line.strip():
            continue
        # Spaces part the values; a word may have some itself (GloVe 840B).
        dimension = dimension or line.count(b" ")
        if not dimension or line.count(b" ") < dimension:
            found = line.count(b" ")
            raise DataError(
                f"{path}, line {line_number}: {found} values, not {dimension or 'a vector'}",
                remedy=AGAIN,
            )
        last = (line_number, line)
        if wanted.may_keep(row, line[: line.index(b" ")]):
            word, vector = _parsed(path, line_number, line, dimension)
            if wanted(row, word):
                words.append(word)
                rows.append(vector)
        row += 1
    if last is None:
        raise DataError(f"{path} holds no word vectors", remedy=AGAIN)
    # The end of a truncated file may still have enough spaces, but rarely a whole last number.
    _parsed(path, *last, dimension)
    if header is not None and row != header[0]:
        raise DataError(
            f"{path} ends at line {line_number} after {row} words; line 1 announces {header[0]}",
            remedy=AGAIN,
        )
    return checked_table(path, words, rows, dimension)


def _parsed(
    path: Path, line_number: int, line: bytes, dimension: int
) -> tuple[bytes, NDArray[np.float32]]:
    word, *values = line.rsplit(b" ", dimension)
    try:
        return word, np.array([float(value) for value in values], np.float32)
    except ValueError as error:
        raise DataError(f"{path}, line {line_number}: {error}", remedy=AGAIN) from error


def _lines(stream: _Readable, beginning: bytes) -> Iterator[bytes]:
    """Lines of what was read already and of what follows, parted at line feeds alone."""
    rest = beginning
    while True:
        *lines, rest = rest.split(b"\n")
        yield from lines
        more = stream.read(_CHUNK)
        if not more:
            break
        rest += more
    if rest:
        yield rest


def _read_binary(
    path: Path,
    stream: _Readable,
    beginning: bytes,
    header: tuple[int, int, int],
    wanted: Wanted,
) -> WordTable:
    count, dimension, offset = header
    size = dimension * 4
    words: list[bytes] = []
    rows: list[NDArray[np.float32]] = []
    buffer, start = beginning, 0
    for row in range(count):
        while True:
            space = buffer.find(b" ", start, start + _LONGEST_WORD)
            if space >= 0 and len(buffer) >= space + 1 + size:
                break
            if space < 0 and len(buffer) - start >= _LONGEST_WORD:
                raise DataError(
                    f"{path}, byte {offset + start}: no word where word {row + 1} should be",
                    remedy=AGAIN,
                )
            more = stream.read(max(_CHUNK, size))
            if not more:
                raise DataError(
                    f"{path} ends at byte {offset + len(buffer)}, in word {row + 1} of {count}",
                    remedy=AGAIN,
                )
            offset += start
            buffer, start = buffer[start:] + more, 0
        # The original tool ends each row with a line feed, gensim does not.
        word = buffer[start:space].lstrip(b"\n")
        if wanted(row, word):
            words.append(word)
            rows.append(np.frombuffer(buffer, "<f4", dimension, space + 1).astype(np.float32))
        start = space + 1 + size
    if (buffer[start:] + stream.read(2)).strip():
        raise DataError(
            f"{path}, byte {offset + start}: more follows the {count} words announced",
            remedy=AGAIN,
        )
    return checked_table(path, words, rows, dimension)


def _is_binary(beginning: bytes) -> bool:
    return _BINARY.search(beginning) is not None
