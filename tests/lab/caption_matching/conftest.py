from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from soundseek.lab.caption_matching.generated import Generated


@pytest.fixture(scope="session")
def written_for() -> Callable[[Sequence[Sequence[str]]], Generated]:
    """Return written_for([captions of a clip, …]) → `Generated`."""

    def made(clips: Sequence[Sequence[str]]) -> Generated:
        texts = sorted({text for captions in clips for text in captions})
        return Generated(texts, [[texts.index(text) for text in own] for own in clips], 0, 0)

    return made
