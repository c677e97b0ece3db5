"""`soundseek serve`: the library in a browser, and for programs over HTTP."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soundseek.cli.exits import DONE
from soundseek.cli.extras import needing_serve
from soundseek.cli.options import example, library_option, model_option
from soundseek.cli.terminal import command, faint, say, shown_path
from soundseek.errors import LibraryError, SoundseekError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    import uvicorn

    from soundseek.serve.settings import Settings

TOKEN_VARIABLE = "SOUNDSEEK_TOKEN"


@click.command(
    epilog=example(
        "soundseek serve --open",
        "soundseek serve --library effects --root /mnt/effects",
        "soundseek serve --host 0.0.0.0 --allow-host studio.local",
    )
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Port to listen on; 0 takes one that is free.",
)
@click.option(
    "--token",
    envvar=TOKEN_VARIABLE,
    help="What every request must bring; made and printed for any address but this machine's "
    f"own [env: {TOKEN_VARIABLE}].",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="A name that this machine is called by (repeatable).",
)
@click.option(
    "--allow-origin",
    "origins",
    metavar="URL",
    multiple=True,
    help="Another site whose pages may use the API (repeatable).",
)
@click.option(
    "--root",
    "roots",
    metavar="DIR",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="A folder that may be indexed from the page, beside the library's own (repeatable).",
)
@click.option(
    "--rate",
    type=click.IntRange(min=0),
    default=600,
    show_default=True,
    help="Requests a minute for each client; 0 for any number.",
)
@click.option("--open", "opens_page", is_flag=True, help="Open the page in the browser.")
@library_option
@model_option
def serve(
    host: str,
    port: int,
    token: str | None,
    allowed_hosts: Sequence[str],
    origins: Sequence[str],
    roots: Sequence[Path],
    rate: int,
    opens_page: bool,
    library_path: Path,
    model: str | None,
) -> int:
    """Search the library in a browser.

    The page and the API (/openapi.json describes it) are for this machine alone unless --host
    says otherwise; then a token is asked for. Sounds are only read, and none but those of the
    library are handed out. Ctrl-C stops the server.
    """
    import webbrowser

    with needing_serve():
        import uvicorn

        from soundseek.serve.app import create_app
        from soundseek.serve.settings import Settings

    settings = Settings(
        host=host,
        port=port,
        token=token or None,
        allowed_hosts=tuple(allowed_hosts),
        cors_origins=tuple(origin.rstrip("/") for origin in origins),
        roots=tuple(roots),
        requests_per_minute=rate,
    )
    with _listening(host, port) as listener:
        settings = _settled(settings, listener.getsockname()[1])
        _make_if_there_are_roots(library_path, model, roots)
        with needing_serve():
            app = create_app(library_path, settings, model=model)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                # Streams of progress go on until they are told to end.
                timeout_graceful_shutdown=3,
                timeout_keep_alive=30,
            )
        )
        _tell_before_the_end(server, app.state.server.stopping.set)
        _say_where(settings, library_path)
        _meanwhile(app.state.server.warm)
        if opens_page:
            # The socket listens already: what asks now is answered once the server runs.
            _meanwhile(lambda: webbrowser.open(page_address(settings)))
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            say("stopped", err=True)
    return DONE


def _tell_before_the_end(server: uvicorn.Server, tell: Callable[[], None]) -> None:
    """Call `tell` when the server is asked to end, before it waits for the answers at hand."""
    end = server.handle_exit

    def tell_and_end(number: int, frame: FrameType | None) -> None:
        tell()
        end(number, frame)

    server.handle_exit = tell_and_end  # type: ignore[method-assign, assignment]


def page_address(settings: Settings) -> str:
    """Return the address to open; with the token, where there is one."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    query = "" if settings.token is None else f"?token={settings.token}"
    return f"http://{host}:{settings.port}/{query}"


def _settled(settings: Settings, port: int) -> Settings:
    """Return the settings with the port that it became, and with a token where one is needed."""
    import dataclasses
    import secrets
    import string

    token = settings.token
    if token is None and not settings.is_loopback:
        token = secrets.token_urlsafe(24)
    if token is not None and not set(token) <= {*string.ascii_letters, *string.digits, *"-._~"}:
        raise SoundseekError(
            "the token has characters that cannot stand in an address",
            remedy="use letters, digits and - . _ ~",
        )
    return dataclasses.replace(settings, port=port, token=token)


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; SoundseekError if the address is taken or not this machine's.

    Before anything is loaded: an address that is taken is told of at once.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise SoundseekError(
            f"{host!r} is no address of this machine", remedy="give --host 127.0.0.1, or 0.0.0.0"
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise SoundseekError(_why_not(host, port, error), remedy=_remedy(port, error)) from error
    return listener


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken, perhaps by another 'soundseek serve'"
    return f"cannot listen on {host}, port {port}: {error.strerror or error}"


def _remedy(port: int, error: OSError) -> str:
    if error.errno in (errno.EADDRINUSE, errno.EACCES):
        return f"choose another one: --port {port + 1 if 1024 <= port < 65535 else 8765}"
    return "give an address of this machine, such as --host 127.0.0.1"


def _make_if_there_are_roots(folder: Path, model: str | None, roots: Sequence[Path]) -> None:
    """Make an empty library where the page can fill it; LibraryError where nothing could."""
    from soundseek.library import Library
    from soundseek.library.database import Database

    if Database.exists(folder):
        return
    if not roots:
        raise LibraryError(
            f"there is no library in {shown_path(folder)}",
            remedy=f"make one: soundseek index FOLDER --library {shown_path(folder)}, or give "
            "--root FOLDER and index it from the page",
        )
    Library.open(folder, bundle=model, create=True).close()


def _say_where(settings: Settings, library_path: Path) -> None:
    say(f"soundseek is at {command(page_address(settings))}", err=True)
    if settings.token is not None:
        say(faint("whoever has this address can search and listen"), err=True)
    say(faint(f"library: {shown_path(library_path)}; Ctrl-C stops it"), err=True)


def _meanwhile(work: Callable[[], object]) -> None:
    """Do something beside the server that nobody waits for."""
    import threading

    threading.Thread(target=work, daemon=True).start()
