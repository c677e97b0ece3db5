"""The page: a few hand-written files of the package, revalidated by the browser at every visit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

router = APIRouter(include_in_schema=False)

TYPES: Final[Mapping[str, str]] = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
"""The content type of each kind of file that the page is made of; no other is served."""

_FRONT: Final = "index.html"
# Names carry no version, so a browser asks every time and is mostly told that nothing changed.
_CACHING: Final = "no-cache"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page: its bytes, its content type and the tag of this edition."""

    content: bytes
    media_type: str
    etag: str


@cache
def assets() -> Mapping[str, Asset]:
    """Return all files of the page by name, read once.

    A request only ever looks its name up here, so no path from a client is opened.
    """
    found = {}
    for file in files("soundseek.serve").joinpath("page").iterdir():
        media_type = TYPES.get(file.name.rpartition(".")[2])
        if media_type is not None and file.is_file():
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:20]
            found[file.name] = Asset(content, media_type, f'"{digest}"')
    return found


@router.api_route("/", methods=["GET", "HEAD"])
async def front(request: Request) -> Response:
    """Answer with the page itself."""
    return _answer(request, _FRONT)


@router.api_route("/assets/{name}", methods=["GET", "HEAD"])
async def asset(request: Request, name: str) -> Response:
    """Answer with one of the page's files; 404 for anything else."""
    if name == _FRONT:
        raise HTTPException(404)
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    found = assets().get(name)
    if found is None:
        raise HTTPException(404)
    headers = {"ETag": found.etag, "Cache-Control": _CACHING}
    if _knows(request.headers.get("if-none-match", ""), found.etag):
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)


def _knows(tags: str, etag: str) -> bool:
    """Whether If-None-Match names the tag; a proxy may have made it a weak one."""
    return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in tags.split(","))
