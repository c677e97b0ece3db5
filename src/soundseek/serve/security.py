"""Whom the server answers: host names, origins, the token; and what browsers may do with it.

`Gate` is told the beginning of a request and says what is wrong with it, without reading more.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from soundseek.serve.problems import Problem
from soundseek.serve.settings import LOOPBACK_NAMES, Settings

SECURITY_HEADERS: Final = MappingProxyType(
    {
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "permissions-policy": "microphone=(self)",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
)
"""What every answer has: the page's own files alone may run, and nobody may embed it."""

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS: Final = frozenset({"/healthz"})
"""What is answered without the token."""

_BODIES: Final = frozenset({"application/json", "multipart/form-data"})
_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::", ""})
_PURPOSE: Final = b"soundseek cookie"


class Gate:
    """Decides about requests by their first lines. For any number of threads."""

    def __init__(self, settings: Settings) -> None:
        """Whom to answer is in the settings."""
        self._settings = settings
        self._hosts = {name.lower() for name in (*LOOPBACK_NAMES, *settings.allowed_hosts)}
        self._is_any = settings.host in _ANY_ADDRESS
        if self._is_any:
            self._hosts |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        else:
            self._hosts.add(settings.host.lower())
        self._token = None if settings.token is None else settings.token.encode()
        self.cookie_name = f"soundseek_{settings.port}"

    def check_host(self, headers: Headers) -> None:
        """Raise Problem 421 for a name that is not this server's.

        A page of somebody else's whose name leads to this address (DNS rebinding) asks under that
        name. Where the server listens on every address, an address as a name is its own.
        """
        name = host_name(headers.get("host", ""))
        if name in self._hosts or (self._is_any and _is_address(name)):
            return
        raise Problem(
            421,
            f"this server is not called {name!r}",
            remedy="start it with --allow-host NAME, or use its address",
        )

    def check_origin(self, method: str, headers: Headers) -> None:
        """Raise Problem 403 where another site's page asks for a change."""
        if method in READING:
            return
        origin = headers.get("origin")
        if origin in self._settings.cors_origins:
            return
        host = headers.get("host", "")
        # https where a proxy in front of the server speaks it.
        is_own = origin in (None, f"http://{host}", f"https://{host}")
        if is_own and headers.get("sec-fetch-site") in (None, "same-origin", "none"):
            return
        raise Problem(403, "another site's page may not ask for this")

    def check_content_type(self, method: str, headers: Headers) -> None:
        """Raise Problem 415 for a body that a form of another site could have sent."""
        if method in READING or not _has_body(headers):
            return
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _BODIES:
            raise Problem(
                415,
                f"a body of type {kind!r} is not taken" if kind else "the body has no type",
                remedy="send Content-Type: application/json, or multipart/form-data for a sound",
            )

    def is_preflight(self, method: str, headers: Headers) -> bool:
        """Whether a browser asks, before another origin's request, if it may be sent."""
        return (
            method == "OPTIONS"
            and "access-control-request-method" in headers
            and headers.get("origin") in self._settings.cors_origins
        )

    def is_known(self, headers: Headers) -> bool:
        """Whether a request brings the token, or none is asked for."""
        if self._token is None:
            return True
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.is_token(value.strip()):
            return True
        cookie = _cookie(headers, self.cookie_name)
        return cookie is not None and hmac.compare_digest(
            cookie.encode("utf-8", "replace"), self.cookie_value().encode()
        )

    def is_token(self, text: str) -> bool:
        """Whether a text is the token; it takes as long whatever is wrong with it."""
        given = text.encode("utf-8", "replace")
        return self._token is not None and hmac.compare_digest(given, self._token)

    def cookie_value(self) -> str:
        """Return what the cookie holds: made of the token, and no way back to it."""
        return hmac.new(self._token or b"", _PURPOSE, sha256).hexdigest()

    def cookie(self) -> str:
        """Return the header that gives a browser its cookie."""
        return f"{self.cookie_name}={self.cookie_value()}; Path=/; HttpOnly; SameSite=Strict"

    @property
    def needs_token(self) -> bool:
        """Whether a token is asked for."""
        return self._token is not None


def unauthorised() -> Problem:
    """The answer to a request without the token."""
    return Problem(
        401,
        "this server asks for its token",
        remedy="open the address that 'soundseek serve' printed, or send Authorization: Bearer …",
        headers={"WWW-Authenticate": "Bearer"},
    )


def host_name(header: str) -> str:
    """Return the name in a Host header, without port and brackets; "" for one that has none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower().rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _cookie(headers: Headers, name: str) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return None if found is None else found.value
