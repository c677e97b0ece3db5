"""What an optional part needs, said in the sentence that mends it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from soundseek.errors import SoundseekError

_EXTRA = "lab"


@contextlib.contextmanager
def needing_lab() -> Iterator[None]:
    """Turn a missing dependency of the lab into the sentence that mends it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("soundseek"):
            raise
        raise SoundseekError(
            f"the lab needs {error.name}, which is not installed",
            remedy=f"pip install 'soundseek[{_EXTRA}]'",
        ) from error
