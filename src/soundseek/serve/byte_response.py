"""An open file as a response: whole, a range of it, or only its headers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import BinaryIO, Final
from urllib.parse import quote

from anyio import create_task_group, to_thread
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from soundseek.serve.problems import Problem
from soundseek.serve.ranges import Part, Unsatisfiable, Validators, condition, wanted_part

_BLOCK: Final = 1 << 18


class BytesOf(Response):
    """Answers a GET or HEAD from a file, in blocks, as RFC 9110 says."""

    def __init__(
        self,
        handle: BinaryIO,
        close: Callable[[], None],
        *,
        request_headers: Headers,
        method: str,
        validators: Validators,
        headers: Mapping[str, str],
    ) -> None:
        """Take over `handle`, which `close` closes; `headers` has Content-Type and the like.

        Raises Problem 412 or 416.
        """
        self._handle, self._close = handle, close
        self._start = self._length = 0
        size = os.fstat(handle.fileno()).st_size
        told = {
            **headers,
            "accept-ranges": "bytes",
            "etag": validators.etag,
            "last-modified": validators.last_modified,
            "cache-control": "private, no-cache",
        }
        outcome = condition(request_headers, validators)
        if outcome == 412:
            raise Problem(412, "the sound is not the one that the request is about")
        status = 200
        if outcome == 304:
            status = 304
            told.pop("content-type", None)
        else:
            self._length = size
            # Only GET has ranges (section 14.2).
            if method == "GET" and (part := _part(request_headers, validators, size)) is not None:
                status = 206
                self._start, self._length = part.start, part.end - part.start
                told["content-range"] = part.content_range
            told["content-length"] = str(self._length)
        self._sends_body = method == "GET" and status != 304
        self.status_code = status
        self.background = None
        self.body = b""
        self.raw_headers = [(key.encode(), value.encode("latin-1")) for key, value in told.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; stop as soon as the client is gone, for servers drop what is sent after that."""
        try:
            async with create_task_group() as group:

                async def stop_when_gone() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    group.cancel_scope.cancel()

                group.start_soon(stop_when_gone)
                await self._send_all(send)
                group.cancel_scope.cancel()
        finally:
            self._close()

    async def _send_all(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        if self._sends_body:
            await self._send_blocks(send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_blocks(self, send: Send) -> None:
        left = self._length
        await to_thread.run_sync(self._handle.seek, self._start)
        while left > 0:
            block = await to_thread.run_sync(self._handle.read, min(_BLOCK, left))
            if not block:
                # What was promised cannot be kept: breaking off is how the client learns of it.
                raise OSError(f"the file ended {left} bytes early")
            left -= len(block)
            await send({"type": "http.response.body", "body": block, "more_body": True})


def _part(headers: Headers, validators: Validators, size: int) -> Part | None:
    try:
        return wanted_part(headers, validators, size)
    except Unsatisfiable as error:
        raise Problem(
            416,
            f"the range {headers['range']} begins behind the last of {size} bytes",
            headers={"content-range": f"bytes */{size}"},
        ) from error


def disposition(name: str, *, attachment: bool) -> str:
    """Return Content-Disposition (RFC 6266): the name as ASCII, and exactly (RFC 8187).

    Bytes of a name that are no text, and control characters, are replaced.
    """
    text = os.fsencode(name).decode("utf-8", "replace")
    text = "".join(char if char.isprintable() else "_" for char in text)
    plain = text.encode("ascii", "replace").decode().replace("?", "_")
    plain = plain.replace("\\", "_").replace('"', "_").replace("%", "_")
    kind = "attachment" if attachment else "inline"
    value = f'{kind}; filename="{plain}"'
    return value if plain == text else f"{value}; filename*=UTF-8''{quote(text, safe='')}"
