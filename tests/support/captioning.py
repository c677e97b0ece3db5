"""A captioner of a few lines, and libraries that have captions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from soundseek.library.captions import caption_vectors, insert_caption
from soundseek.library.database import Database

Windows = npt.NDArray[np.float32]


class Said(NamedTuple):
    """What a captioner says of a clip."""

    text: str
    score: float


class FakeCaptioner:
    """Says what `say` makes of a clip's windows; `asked` counts the clips it was asked about."""

    def __init__(
        self, hears: str, say: Callable[[Windows], str] | None = None, *, mark: str = "c"
    ) -> None:
        self.name = f"fake {mark}"
        self.fingerprint = mark * 64
        self.hears = hears
        self.asked = 0
        self._say = say or (lambda windows: f"a sound of {len(windows)} windows")

    def caption(self, windows: Sequence[Windows]) -> list[Said]:
        self.asked += len(windows)
        return [Said(self._say(one), -0.5) for one in windows]


def put_captions(
    database: Database, model: object, captions: dict[int, str], *, by: str | None = None
) -> None:
    """Store a caption for clips, by id: the user's, or those of a captioner called `by`."""
    with database.transaction() as connection:
        revision = database.next_revision()
        for clip_id, text in captions.items():
            (vector,) = caption_vectors(model, [text])  # type: ignore[arg-type]
            source = {} if by is None else {"source": by * 64, "captioner": by, "score": -1.0}
            insert_caption(connection, clip_id, revision, text, vector, **source)
