"""Starting, following and ending the process of an index job; see `soundseek.serve.index_job`."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

_MODULE: Final = "soundseek.serve.index_job"
# The sounds at hand are cut off between two windows; ending the process the hard way is safe, too.
_PATIENCE_S: Final = 20.0
_LAST_PATIENCE_S: Final = 3.0


class JobProcess:
    """A running process that indexes."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        """Start it with what it shall do (`index_job.Order`)."""
        # Of its own group: Ctrl-C in the terminal reaches the server, which then ends it.
        flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            creationflags=flags,
            start_new_session=os.name != "nt",
        )
        self._ending = threading.Lock()
        assert self._process.stdin is not None  # asked for above
        with contextlib.suppress(OSError):  # it ended at once: `events` will tell
            self._process.stdin.write(json.dumps(dict(order)).encode("ascii") + b"\n")
            self._process.stdin.flush()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what it tells, until it ends."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if isinstance(event, dict):
                        yield event
        self._close_input()

    def wait(self) -> int:
        """Return its exit code when it has ended."""
        return self._process.wait()

    def ask_to_stop(self) -> None:
        """Have it stop after what is at hand; returns at once, and sees to it that it does."""
        self._close_input()
        threading.Thread(target=self._see_it_end, args=(_PATIENCE_S,), daemon=True).start()

    def stop(self, patience_s: float) -> None:
        """Have it stop, and return when it has."""
        self._close_input()
        self._see_it_end(patience_s)

    def _close_input(self) -> None:
        with self._ending, contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _see_it_end(self, patience_s: float) -> None:
        for end in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(patience_s)
                return
            except subprocess.TimeoutExpired:
                end()
                patience_s = _LAST_PATIENCE_S
        self._process.wait()
