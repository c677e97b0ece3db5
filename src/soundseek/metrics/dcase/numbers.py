"""Reading millions of scores from text, many at once, to the same values as `float`.

A decimal of at most 15 digits is an integer over a power of ten, both of which float64 holds
exactly, so that one division rounds it correctly. Whatever looks otherwise goes through `float`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

_DIGITS = 15
_WIDEST = _DIGITS + 2  # with sign and point
_POWERS = 10.0 ** np.arange(_WIDEST + 1)
_BLOCK = 16_384  # numbers at once: few enough to stay near the processor

_Floats = npt.NDArray[np.float64]


def plain_rows(path: Path, width: int) -> tuple[list[str], list[int], _Floats] | None:
    """Read a table of a text and `width` numbers a row: texts, row numbers, numbers.

    Returns None for a table that is not plain, or not right: one with line breaks in texts, quoted
    numbers, lone carriage returns, a cell too many, no number, another encoding. The reader of CSV
    then reads it or says what is wrong.
    """
    texts: list[str] = []
    numbers: list[int] = []
    blocks: list[_Floats] = []
    pending: list[bytes] = []
    with path.open("rb") as file:
        try:
            next(file)  # the header
            for number, line in enumerate(file, start=2):
                if not (line := line.rstrip(b"\r\n")):
                    continue
                text, cells = _text_and_cells(line)
                if cells.count(b",") != width - 1:
                    return None
                texts.append(text)
                numbers.append(number)
                pending.append(cells)
                if len(pending) * width >= _BLOCK:
                    blocks.append(decimals(b",".join(pending)))
                    pending = []
            if pending:
                blocks.append(decimals(b",".join(pending)))
        except (StopIteration, ValueError):
            return None
    values = np.concatenate([np.empty(0), *blocks])
    return texts, numbers, values.reshape(-1, width)


def _text_and_cells(line: bytes) -> tuple[str, bytes]:
    """The first cell, unquoted, and the text of the others. Raises `ValueError` if unclear."""
    if line.startswith(b'"'):
        text, end, cells = line[1:].rpartition(b'",')
        bare = text.replace(b'""', b"")
        text = text.replace(b'""', b'"')
    else:
        text, end, cells = line.partition(b",")
        bare = text
    if not end or b'"' in bare or b'"' in cells or b"\r" in line:
        raise ValueError(line)
    return text.decode("utf-8"), cells


def decimals(text: bytes) -> _Floats:
    """Return the numbers between the commas of `text`, each as `float` reads it.

    Raises `ValueError` where `float` does.
    """
    # A margin, so that each number can be looked at from its end backwards.
    characters = np.frombuffer(b" " * _WIDEST + text + b",", dtype=np.uint8)
    ends = np.flatnonzero(characters == ord(","))
    starts = np.concatenate([[_WIDEST], ends[:-1] + 1])
    lengths = np.minimum(ends - starts, _WIDEST + 1).astype(np.uint8)
    width = min(int(lengths.max()), _WIDEST)
    # All that follows is [width, numbers]: the last characters of each number, right-aligned.
    places = np.arange(width, dtype=np.uint8)[:, None]
    windows = np.lib.stride_tricks.sliding_window_view(characters, width or 1)[ends - width]
    windows = np.ascontiguousarray(windows.T[:width])
    inside = places + lengths >= width
    digits = windows - np.uint8(ord("0"))
    is_digit = (digits < 10) & inside
    is_point = (windows == ord(".")) & inside
    negative = characters[starts] == ord("-")
    n_digits = _counted(is_digit)
    n_points = _counted(is_point)
    simple = (n_digits + n_points + negative == lengths) & (n_points <= 1)
    simple &= (n_digits >= 1) & (n_digits <= _DIGITS)
    if 2 * np.count_nonzero(simple) < simple.size:
        return np.array([float(number) for number in text.split(b",")])
    # The digits before the point move down to those behind it: what is left is an integer.
    digits *= is_digit
    point = np.add.reduce(is_point * places, axis=0, dtype=np.uint8)
    moving = (places <= point) & (n_points > 0)
    digits[1:] = np.where(moving[1:], digits[:-1], digits[1:])
    digits[0] *= ~moving[0]
    decimal_places = np.where(simple & (n_points > 0), width - 1 - point, 0)
    values = (_POWERS[width - 1 :: -1] @ digits.astype(np.float64)) / _POWERS[decimal_places]
    np.negative(values, out=values, where=negative)
    for i in np.flatnonzero(~simple).tolist():
        values[i] = float(characters[starts[i] : ends[i]].tobytes())
    return np.asarray(values, dtype=np.float64)


def _counted(marks: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    return np.asarray(np.add.reduce(marks.view(np.uint8), axis=0, dtype=np.uint8))
