"""`soundseek data list` and `fetch`: which corpora there are, and getting them."""

from __future__ import annotations

import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import click

from soundseek.cli.options import example, json_option
from soundseek.cli.terminal import faint, say, say_json, shown_path, size, strong

_PROGRESS_INTERVAL_S = 5.0


@click.command("list", epilog=example("soundseek data list", "soundseek data list --json"))
@json_option
def list_corpora(as_json: bool) -> None:
    """List the corpora that can be read, with their licences."""
    from soundseek.lab.data.corpora import CORPORA
    from soundseek.lab.data.published import PUBLISHED

    if as_json:
        rows = [
            {
                "name": name,
                "description": row.description,
                "licence": row.licence,
                "homepage": row.homepage or None,
                "can_be_fetched": name in PUBLISHED,
            }
            for name, row in CORPORA.items()
        ]
        say_json({"corpora": rows})
        return
    for name, row in CORPORA.items():
        say(f"{strong(name)}  {row.description}")
        say(faint("    " + ", ".join(part for part in (row.licence, row.homepage) if part)))


@click.command(
    "fetch",
    epilog=example(
        "soundseek data fetch clotho --out ~/clotho --extract",
        "soundseek data fetch clotho --out ~/clotho --only '*evaluation*'",
    ),
)
@click.argument("corpus")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where to."
)
@click.option("--only", metavar="PATTERN", default="*", help="Only files whose names are like it.")
@click.option("--extract", "unpack", is_flag=True, help="Also unpack the archives there.")
@click.option("--offline", is_flag=True, help="Only say what is missing.")
@json_option
def fetch_corpus(
    corpus: str, out: Path, only: str, unpack: bool, offline: bool, as_json: bool
) -> None:
    """Download the published files of CORPUS; what broke off goes on where it was."""
    from soundseek.errors import DataError
    from soundseek.lab.data.archives import extract, is_archive
    from soundseek.lab.data.downloads import fetch
    from soundseek.lab.data.published import published

    found = published(corpus)
    files = [file for file in found.files if fnmatch(file.name, only)]
    if not files:
        names = ", ".join(file.name for file in found.files)
        raise DataError(f"no file of {corpus} is like {only!r}", remedy=f"it has {names}")
    paths = []
    for file in files:
        say(f"{file.name} …", err=True)
        paths.append(fetch(file, out, offline=offline, on_bytes=steps(_bytes_of)))
        if unpack and is_archive(file.name):
            extract(paths[-1], out)
    if as_json:
        say_json({"corpus": corpus, "files": [str(path) for path in paths]})
    else:
        for path in paths:
            say(shown_path(path))
    if found.remark:
        say(found.remark, err=True)


def steps(described: Callable[[int, int | None], str]) -> Callable[[int, int | None], None]:
    """A callback for (done, total) that says how far it is, now and then, on stderr."""
    last = time.monotonic()

    def on_step(done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= _PROGRESS_INTERVAL_S:
            last = time.monotonic()
            say(described(done, total), err=True)

    return on_step


def clips_of(done: int, total: int | None) -> str:
    """How many clips are done, of how many."""
    return f"{done:,}/{total or done:,} clips"


def _bytes_of(done: int, total: int | None) -> str:
    return size(done) if total is None else f"{size(done)} of {size(total)}"
