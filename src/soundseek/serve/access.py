"""How routes get at what they share: `state: State` as a parameter, work in threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar, cast

import anyio.to_thread
from fastapi import Depends, Request

from soundseek.serve.state import ServerState

T = TypeVar("T")


def _state_of(request: Request) -> ServerState:
    return cast(ServerState, request.app.state.server)


State = Annotated[ServerState, Depends(_state_of)]
"""The type of a route's parameter that is the server's state."""


async def searched(state: ServerState, work: Callable[[], T]) -> T:
    """Do `work` in a thread, when fewer than `Settings.concurrent_searches` are at it.

    Searches keep processors busy: more at once would only take turns. So many threads as there
    are for the rest stay free for sounds and pictures meanwhile.
    """
    return await anyio.to_thread.run_sync(work, limiter=state.search_slots)
