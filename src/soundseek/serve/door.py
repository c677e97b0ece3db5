"""What every request passes on its way in, and every answer on its way out."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundseek.serve.limits import RateLimit, check_declared_size, counted
from soundseek.serve.problems import problem_of, problem_response
from soundseek.serve.security import OPEN_PATHS, SECURITY_HEADERS, Gate, unauthorised
from soundseek.serve.settings import Settings

_WRAPPING_BYTES: Final = 64 << 10  # boundaries and headers around a sound in a multipart body
_UNCOUNTED: Final = ("/assets/", "/healthz")


class Door:
    """The outermost layer of the application (ASGI).

    It refuses requests that are not meant for this server, lack the token, come too often or are
    too large; gives every answer its security headers; and makes a problem of what escapes.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """`app` gets what passes."""
        self._app = app
        self._settings = settings
        self._gate = Gate(settings)
        self._rate = RateLimit(settings.requests_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; what is not HTTP (the application's start and end) goes through."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        started = False

        async def send_on(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _harden(message, scope["path"])
            await send(message)

        try:
            answer = self._answered_here(scope)
            if answer is not None:
                await answer(scope, receive, send_on)
            else:
                await self._app(scope, counted(receive, self._body_limit(scope)), send_on)
        except ClientDisconnect:
            return
        except Exception as error:
            problem = problem_of(error)
            if started:
                raise  # half an answer is out: only ending the connection tells
            await problem_response(problem)(scope, receive, send_on)

    def _answered_here(self, scope: Scope) -> Response | None:
        """Return the answer to a request that ends here; raises Problem for one that is refused."""
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        gate = self._gate
        gate.check_host(headers)
        if path in OPEN_PATHS or gate.is_preflight(method, headers):
            return None
        is_known = gate.is_known(headers)
        if not path.startswith(_UNCOUNTED) or not is_known:
            self._rate.check(_client(scope, is_known=is_known and gate.needs_token))
        if gate.needs_token and path == "/" and method == "GET" and "token" in _query(scope):
            return self._let_in(_query(scope)["token"])
        if not is_known:
            if path == "/":
                return PlainTextResponse(f"{unauthorised().detail}: {unauthorised().remedy}\n", 401)
            raise unauthorised()
        gate.check_origin(method, headers)
        gate.check_content_type(method, headers)
        check_declared_size(headers, self._body_limit(scope))
        return None

    def _let_in(self, token: str) -> Response:
        """Answer the address with the token: a cookie, and the same page without it."""
        if not self._gate.is_token(token):
            return PlainTextResponse("this is not the token of this server\n", 401)
        return RedirectResponse("/", 303, headers={"set-cookie": self._gate.cookie()})

    def _body_limit(self, scope: Scope) -> int:
        if scope["path"].endswith("/uploads"):
            return self._settings.max_upload_bytes + _WRAPPING_BYTES
        return self._settings.max_body_bytes


def _harden(message: Message, path: str) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in SECURITY_HEADERS.items():
        headers[name] = value
    if path.startswith("/api/"):
        headers.setdefault("cache-control", "no-store")


def _client(scope: Scope, *, is_known: bool) -> str:
    """Return what tells clients apart; those without the token cannot use up what others have."""
    address = scope["client"][0] if scope.get("client") else ""
    return f"{address} {'known' if is_known else ''}"


def _query(scope: Scope) -> dict[str, str]:
    found = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return {name: values[-1] for name, values in found.items()}
