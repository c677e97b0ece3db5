"""Errors as clients get them: application/problem+json (RFC 9457), whatever went wrong.

Every problem has `type`, `title`, `status`, `detail` and, where there is one, a `remedy`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from soundseek.errors import (
    AudioError,
    BundleError,
    LibraryError,
    QueryError,
    SoundseekError,
)

MEDIA_TYPE: Final = "application/problem+json"
_LOG = logging.getLogger("soundseek.serve")

_STATUS_OF: Final[tuple[tuple[type[SoundseekError], int], ...]] = (
    (QueryError, 422),
    (AudioError, 422),
    (LibraryError, 503),
    (BundleError, 503),
    (SoundseekError, 400),
)


class Problem(Exception):  # noqa: N818 - the name that RFC 9457 gives it
    """An answer that is an error: raise it anywhere in a request."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        remedy: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`detail` is a sentence for people about this very request."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.remedy = remedy
        self.headers = dict(headers or {})


class ProblemDocument(BaseModel):
    """What every error looks like (RFC 9457)."""

    type: str = Field(description="A name for this kind of problem, stable across versions.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request.")
    remedy: str | None = Field(default=None, description="What helps.")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route's `responses=` says of its errors."""
    return {
        status: {
            "model": ProblemDocument,
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {}},
        }
        for status in statuses
    }


def problem_response(problem: Problem) -> JSONResponse:
    """Return the response that tells of a problem."""
    title = HTTPStatus(problem.status).phrase
    document = {
        "type": f"urn:soundseek:problem:{title.lower().replace(' ', '-')}",
        "title": title,
        "status": problem.status,
        "detail": problem.detail,
        "remedy": problem.remedy,
    }
    return JSONResponse(
        document, status_code=problem.status, media_type=MEDIA_TYPE, headers=problem.headers
    )


def problem_of(error: Exception) -> Problem:
    """Return how any error is told of; one that is a bug is logged, and its text kept back."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, SoundseekError):
        status = next(status for kind, status in _STATUS_OF if isinstance(error, kind))
        return Problem(status, error.message, remedy=error.remedy)
    if isinstance(error, RequestValidationError):
        return Problem(422, _all_that_is_wrong(error))
    if isinstance(error, HTTPException):
        return Problem(error.status_code, str(error.detail), headers=error.headers)
    _LOG.error("a request failed", exc_info=error)
    return Problem(
        500, "the server could not answer", remedy="its log says why; please report it as a bug"
    )


def tell_problems(app: FastAPI) -> None:
    """Let `app` answer with a problem whatever is raised in a request."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        return problem_response(problem_of(error))

    for kind in (Problem, SoundseekError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


def _all_that_is_wrong(error: RequestValidationError) -> str:
    """Name each value that does not fit, and what it should be."""
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
