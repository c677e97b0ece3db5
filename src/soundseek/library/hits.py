"""What a search finds: a file and where in it, or a moment of one file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Hit:
    """One sound that answers a query. Copies of it are one hit.

    Attributes:
        rank: 1 is the best.
        score: what the hits are ranked by: without names the similarity (less the penalty of an
            unwanted sound); with names the fusion of two ranks, see `ranking.fuse`.
        path: the absolute path of the first file with this sound that passes the filters.
        start_s: where the window with the highest cosine starts, in seconds.
        end_s: where it ends.
        duration_s: length of the whole file, in seconds.
        format: such as "wav".
        sample_rate: in Hz, of the file.
        channels: of the file.
        tags: those of the file at `path`.
        similarity: how much the sound fits, -1 to 1: the mean of the cosines of the whole and of
            its best window; in recordings over 30 s the window counts more. The whole alone where
            that is higher and the query is a sound.
        name_rank: place among the files whose names or captions match the query in words; None if
            this one's do not.
        also: the other files with the same content.
        caption: what is said of the sound, by people if anyone did, else by a captioner; None if
            nothing is.
    """

    rank: int
    score: float
    path: str
    start_s: float
    end_s: float
    duration_s: float
    format: str
    sample_rate: int
    channels: int
    tags: tuple[str, ...]
    similarity: float
    name_rank: int | None
    also: tuple[str, ...] = ()
    caption: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """Part of a ranking.

    Attributes:
        hits: best first; their ranks count from the top of the ranking.
        total: how many sounds are ranked, those before and behind the hits included.
        similarities: float32 [total], in no order: what `Hit.similarity` is among.
    """

    hits: tuple[Hit, ...]
    total: int
    similarities: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Moment:
    """A part of a file that answers a query.

    Attributes:
        rank: 1 is the best.
        score: cosine of the query and the window that fits best in this part, -1 to 1.
        start_s: where the part starts, in seconds.
        end_s: where it ends.
    """

    rank: int
    score: float
    start_s: float
    end_s: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return dataclasses.asdict(self)
