"""What an optional part needs, said in the sentence that mends it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from soundseek.errors import SoundseekError


def needing_lab() -> contextlib.AbstractContextManager[None]:
    """Turn a missing dependency of the lab into the sentence that mends it."""
    return _needing("lab", "the lab")


def needing_serve() -> contextlib.AbstractContextManager[None]:
    """Turn a missing dependency of the server into the sentence that mends it."""
    return _needing("serve", "the server")


@contextlib.contextmanager
def _needing(extra: str, what: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("soundseek"):
            raise
        raise SoundseekError(
            f"{what} needs {error.name}, which is not installed",
            remedy=f"pip install 'soundseek[{extra}]'",
        ) from error
