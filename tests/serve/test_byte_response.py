"""Files as responses, driven as a server does: broken off, shrunken, with odd names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("fastapi")

from starlette.datastructures import Headers

from soundseek.serve.byte_response import BytesOf, disposition
from soundseek.serve.problems import Problem
from soundseek.serve.ranges import Validators

MIB = 1 << 20


class Exchange:
    """One request and what was answered; `gone_after`: messages until the client leaves."""

    def __init__(
        self, path: Path, *, method: str = "GET", gone_after: int | None = None, **headers: str
    ) -> None:
        self.closed = 0
        self.sent: list[dict[str, Any]] = []
        self._gone_after = gone_after
        self._gone = anyio.Event()
        self.handle = path.open("rb")
        try:
            self.response = BytesOf(
                self.handle,
                self._close,
                request_headers=Headers(headers),
                method=method,
                validators=Validators('"x"', 1_700_000_000),
                headers={"content-type": "audio/wav"},
            )
        except Problem:
            self.handle.close()
            raise

    def _close(self) -> None:
        self.closed += 1
        self.handle.close()

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(dict(message))
        if self._gone_after is not None and len(self.sent) >= self._gone_after:
            self._gone.set()
            await anyio.sleep(0)

    def run(self) -> bytes:
        async def main() -> None:
            await self.response({"type": "http"}, self._receive, self._send)

        anyio.run(main)
        return b"".join(message.get("body", b"") for message in self.sent)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * (4 * MIB // 256))
    return path


def test_whole(file: Path) -> None:
    exchange = Exchange(file)
    assert exchange.run() == file.read_bytes()
    assert exchange.closed == 1
    assert max(len(message.get("body", b"")) for message in exchange.sent) < MIB


def test_a_part_of_a_large_file_reads_only_that(file: Path) -> None:
    exchange = Exchange(file, range="bytes=1000000-1000009")
    assert exchange.run() == file.read_bytes()[1_000_000:1_000_010]


def test_a_client_that_leaves_ends_it(file: Path) -> None:
    exchange = Exchange(file, gone_after=3)
    exchange.run()
    assert exchange.closed == 1
    assert len(exchange.sent) < 8


def test_a_file_that_shrinks_breaks_it_off(file: Path) -> None:
    exchange = Exchange(file)
    with file.open("rb+") as handle:
        handle.truncate(MIB)
    with pytest.raises(ExceptionGroup) as broken:
        exchange.run()
    assert broken.group_contains(OSError, match="ended .* bytes early")
    assert exchange.closed == 1
    assert exchange.sent[-1]["more_body"]


def test_head(file: Path) -> None:
    exchange = Exchange(file, method="HEAD")
    assert exchange.run() == b""
    headers = dict(exchange.sent[0]["headers"])
    assert headers[b"content-length"] == str(4 * MIB).encode()


@pytest.mark.parametrize(
    ("headers", "status"), [({"if-match": '"y"'}, 412), ({"range": "bytes=99999999-"}, 416)]
)
def test_refusals(file: Path, headers: dict[str, str], status: int) -> None:
    with pytest.raises(Problem) as refused:
        Exchange(file, **headers)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rain.wav", 'inline; filename="rain.wav"'),
        ("é.wav", "inline; filename=\"_.wav\"; filename*=UTF-8''%C3%A9.wav"),
        ('a"b.wav', "inline; filename=\"a_b.wav\"; filename*=UTF-8''a%22b.wav"),
        ("a\r\nX: y.wav", 'inline; filename="a__X: y.wav"'),
        ("\udcff.wav", "inline; filename=\"_.wav\"; filename*=UTF-8''%EF%BF%BD.wav"),
    ],
)
def test_disposition(name: str, expected: str) -> None:
    assert disposition(name, attachment=False) == expected
