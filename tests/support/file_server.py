"""A web server on this machine that hands out one file as badly as it is told to."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What the next answers are. `cuts`: after how many bytes each of the next answers breaks off;
    `statuses`: the errors that come before any answer."""

    content: bytes
    url: str = ""
    ranges: bool = True
    validators: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    requests: list[str | None] = field(default_factory=list)
    """The Range header of every request so far."""

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:16]}"'


@contextmanager
def serving(content: bytes) -> Iterator[FileServer]:
    """Serve `content` at `url` until the block ends."""
    state = FileServer(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.requests.append(asked)
            if state.statuses:
                self._empty(state.statuses.pop(0))
                return
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and state.ranges else 0
            total = len(state.content)
            if start >= total > 0:
                self._empty(416, {"Content-Range": f"bytes */{total}"})
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            if state.validators:
                self.send_header("ETag", state.etag)
            self.send_header("Content-Length", str(total - start))
            self.end_headers()
            end = min(total, start + state.cuts.pop(0)) if state.cuts else total
            self.wfile.write(state.content[start:end])

        def _empty(self, status: int, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/file.bin"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
