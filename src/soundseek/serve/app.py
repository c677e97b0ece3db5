"""The application: a library and settings in, something that answers requests out."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI

import soundseek
from soundseek.serve.door import Door
from soundseek.serve.libraries import Libraries
from soundseek.serve.problems import problem_responses, tell_problems
from soundseek.serve.settings import Settings
from soundseek.serve.state import ServerState

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle

API: Final = "/api/v1"

API_ROUTES: Final = (
    "soundseek.serve.routes.library:router",
    "soundseek.serve.routes.search:router",
    "soundseek.serve.routes.uploads:router",
    "soundseek.serve.routes.clips:router",
    "soundseek.serve.routes.media:router",
    "soundseek.serve.routes.export:router",
    "soundseek.serve.routes.jobs:router",
)
"""Where the routers below `API` are."""

OTHER_ROUTES: Final = (
    "soundseek.serve.routes.health:router",
    "soundseek.serve.routes.page:router",
)
"""Where the routers at the root are."""

ANYWHERE: Final = (400, 401, 403, 421, 422, 429, 500)
"""The statuses of problems that any request to the API may have."""

PARTS: Final = (
    "soundseek.serve.uploads:attach",
    "soundseek.serve.jobs:attach",
)
"""Functions of the state that give it its parts."""


def create_app(
    library: Path,
    settings: Settings | None = None,
    *,
    model: Bundle | str | os.PathLike[str] | None = None,
) -> FastAPI:
    """Return the application that serves the library in the folder `library`.

    `model` is its model, None the one that made it. The library is open from now until the
    application's end (its lifespan). Raises LibraryError or BundleError as `Library.open` does.
    """
    settings = settings or Settings()
    state = ServerState(Libraries(library, model=model), settings)
    for attach in _named(PARTS):
        attach(state)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            state.close()

    app = FastAPI(
        title="soundseek",
        summary="Find any sound by describing it.",
        version=soundseek.__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.server = state
    for router in _named(API_ROUTES):
        app.include_router(router, prefix=API, responses=problem_responses(*ANYWHERE))
    for router in _named(OTHER_ROUTES):
        app.include_router(router)
    tell_problems(app)
    if settings.cors_origins:
        from starlette.middleware.cors import CORSMiddleware

        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Range", "If-Range"],
        )
    app.add_middleware(Door, settings=settings)
    return app


def _named(places: tuple[str, ...]) -> list[Any]:
    """Import what stands at "module:attribute"."""
    found = []
    for place in places:
        module, _, attribute = place.partition(":")
        if find_spec(module) is not None:
            found.append(getattr(import_module(module), attribute))
    return found
