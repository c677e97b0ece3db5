"""How routes get at what they share: `state: State` as a parameter of a route."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from soundseek.serve.state import ServerState


def _state_of(request: Request) -> ServerState:
    return cast(ServerState, request.app.state.server)


State = Annotated[ServerState, Depends(_state_of)]
"""The type of a route's parameter that is the server's state."""
