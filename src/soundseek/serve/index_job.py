"""The process that indexes for a server: `python -m soundseek.serve.index_job`.

It reads one line of JSON from standard input (library, bundle, roots, captions) and tells on
standard output, one JSON object a line, how far it is. When its standard input ends, be it that the
server closes it or is killed, it stops as after Ctrl-C: everything committed is kept.
"""

from __future__ import annotations

import _thread
import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from soundseek.errors import BundleError, SoundseekError

if TYPE_CHECKING:
    from soundseek.library import Library
    from soundseek.library.reports import Progress

_INTERVAL_S: Final = 0.1
# Searching goes first on a busy machine.
_NICENESS: Final = 10

Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What to index: `library` and `bundle` are folders, `roots` absolute paths."""

    library: str
    bundle: str
    roots: list[str]
    captions: bool


def main() -> int:
    """Do what the first line of standard input says."""
    # A server that was started in the background ignores Ctrl-C, and hands that down: then nothing
    # could interrupt this either.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tell = _teller(_own_stdout())
    # Not through sys.stdin: at the end, Python would wait for the lock of a reader in a thread.
    orders = FileIO(0, closefd=False)
    line = orders.readline()
    try:
        order = Order(**json.loads(line))
    except (ValueError, TypeError):
        return 2
    over = threading.Event()
    threading.Thread(target=_interrupt_at_end, args=(orders, over), daemon=True).start()
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICENESS)
    try:
        run(order, tell)
    except KeyboardInterrupt:
        tell({"event": "cancelled"})
    except SoundseekError as error:
        tell({"event": "error", "message": error.message, "remedy": error.remedy})
    except Exception as error:
        traceback.print_exc()
        tell({"event": "error", "message": f"{type(error).__name__}: {error}", "remedy": None})
    finally:
        over.set()
    return 0


def run(order: Order, tell: Tell) -> None:
    """Index, caption if that was asked for, and tell about it."""
    from soundseek.audio.quiet import native_messages_silenced
    from soundseek.bundle.network import usable_processors
    from soundseek.library import Library

    with native_messages_silenced(), Library.open(order.library, bundle=order.bundle) as library:
        tell({"event": "started"})
        report = library.index(
            order.roots,
            threads=max(1, usable_processors() - 1),
            on_progress=_progress(tell, "listening"),
        )
        told = report.to_dict()
        if order.captions and not report.interrupted:
            told |= _caption(library, tell)
    tell({"event": "cancelled" if told["interrupted"] else "done", "report": told})


def _caption(library: Library, tell: Tell) -> dict[str, Any]:
    from soundseek.bundle.captioning.load import load_captioner

    try:
        captioner = load_captioner(None, bundle=library.bundle)
    except BundleError as error:
        return {"note": f"no captions were written: {error.message}"}
    report = library.caption(captioner, on_progress=_progress(tell, "captioning"))
    return {"captioned": report.captioned, "interrupted": report.interrupted}


def _progress(tell: Tell, doing: str) -> Callable[[Progress], None]:
    """Return what tells of progress now and then, and of every file that could not be read."""
    last = 0.0

    def on_progress(state: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _INTERVAL_S and state.reason is None and state.done < state.total:
            return
        last = now
        tell({"event": "progress", "doing": doing, **state.to_dict()})

    return on_progress


def _own_stdout() -> BinaryIO:
    """Return standard output for us alone: what libraries print there goes to standard error."""
    own = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return own


def _teller(out: BinaryIO) -> Tell:
    def tell(event: dict[str, Any]) -> None:
        try:
            out.write(json.dumps(event).encode("ascii") + b"\n")
        except OSError:  # nobody listens any more
            raise KeyboardInterrupt from None

    return tell


def _interrupt_at_end(stream: FileIO, over: threading.Event) -> None:
    """Interrupt the main thread at the end of `stream`, unless its work is over."""
    with contextlib.suppress(OSError, ValueError):
        while stream.read(1):
            pass
    if not over.is_set():
        _thread.interrupt_main()


if __name__ == "__main__":
    sys.exit(main())
