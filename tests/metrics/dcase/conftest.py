"""Small files in the layouts of the challenges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a file of lines: `make("name.csv", "a,b", "1,2")`."""

    def write(name: str, *lines: str, encoding: str = "utf-8", end: str = "\n") -> Path:
        path = tmp_path / name
        path.write_bytes("".join(line + end for line in lines).encode(encoding))
        return path

    return write


@pytest.fixture
def clotho(make: Make) -> Path:
    return make(
        "clotho.csv",
        "file_name,caption_1,caption_2",
        'rain.wav,rain falls,"rain, on a roof"',
        "o&#39;dog.wav,a dog barks,dogs",
        "bell.wav,a bell rings,one  bell ",
    )


QUERIES = ["rain falls", "rain, on a roof", "a dog barks", "dogs", "a bell rings", "one  bell "]
FILES = ["rain.wav", "o'dog.wav", "bell.wav"]
