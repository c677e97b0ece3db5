"""`python -m soundseek` is the command `soundseek`."""

from __future__ import annotations

from soundseek.cli.main import run

if __name__ == "__main__":
    run()
