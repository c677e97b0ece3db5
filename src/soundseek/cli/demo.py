"""`soundseek demo`: the whole thing at work, on sounds of its own making or on a folder."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soundseek.audio.quiet import native_messages_silenced
from soundseek.cli import demo_script as script
from soundseek.cli.exits import DONE, INTERRUPTED
from soundseek.cli.index import changes, headline
from soundseek.cli.moments import moment_lines
from soundseek.cli.options import example, model_option
from soundseek.cli.places import LIBRARY_VARIABLE, demo_library
from soundseek.cli.progress import progress
from soundseek.cli.results import hit_lines
from soundseek.cli.terminal import command, count, faint, say, shown_path, span, strong
from soundseek.errors import BundleError, LibraryError

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle
    from soundseek.library import Library
    from soundseek.library.hits import Hit
    from soundseek.library.reports import IndexReport
    from soundseek.synth import Item

SAMPLE_FOLDER = Path("soundseek-demo")


@click.command(epilog=example("soundseek demo", "soundseek demo ~/sounds"))
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@model_option
def demo(folder: Path | None, model: str | None) -> int:
    """Show what soundseek does.

    Without DIR it makes sample sounds in ./soundseek-demo, listens to them and finds some. With
    DIR it does so with your own sounds: DIR is only read, and your library is left alone.
    """
    from soundseek.bundle.load import load_bundle

    bundle = load_bundle(model)
    say(strong("soundseek finds sounds by describing them, offline, on this machine."))
    if folder is None:
        return _with_sample_sounds(bundle)
    if not folder.exists():
        raise LibraryError(f"there is no {shown_path(folder)}", remedy="check the path")
    with native_messages_silenced():
        return _with_own_sounds(folder, bundle)


def _with_sample_sounds(bundle: Bundle) -> int:
    from soundseek.library import Library

    sounds, library_path = SAMPLE_FOLDER / "sounds", SAMPLE_FOLDER / "library"
    _step(1, "Sample sounds")
    _make_sounds(sounds)

    _step(2, "Listening to them, once")
    with Library.open(library_path, bundle=bundle, create=True, rebuild=True) as library:
        if _listen(library, sounds, again=True).interrupted:
            return INTERRUPTED

        _step(3, "Finding them by describing them (--no-names: by sound alone)")
        known = script.sample_items(sounds.absolute())
        for query in script.SAMPLE_QUERIES:
            _typed("search", query, "--no-names", "-k", str(script.HITS_EACH))
            hits = library.search(query, k=script.HITS_EACH, hybrid=False)
            _lines(hit_lines(hits, [_remark(known, hit) for hit in hits]))

        _step(4, "Finding where in a long recording")
        for scene, query, kind in script.SAMPLE_MOMENTS:
            _show_moments(library, script.scene_file(sounds, scene), query)
            say(faint(f"     In truth: {_event(scene, kind)}"))

        _step(5, "Finding what sounds like another sound")
        model_sound = script.kind_file(sounds, script.SAMPLE_LIKE)
        _typed("search", "--like", str(model_sound), "-k", str(script.HITS_EACH))
        hits = library.search(like=model_sound, k=script.HITS_EACH)
        _lines(hit_lines(hits, [_remark(known, hit) for hit in hits]))

    _describe([script.kind_file(sounds, kind) for kind in script.SAMPLE_DESCRIBED], bundle)

    say(strong("\nNow you"))
    _suggest(
        (f'soundseek search "a train horn" --library {library_path}', "these sounds"),
        ("soundseek demo ~/sounds", "this demonstration on them; they are only read"),
        ("soundseek index ~/sounds", "listen to them, to find them from anywhere"),
        ('soundseek search "rain on a tin roof"', "find them"),
    )
    say(faint(f"   The folder {SAMPLE_FOLDER} can be deleted at any time."))
    return DONE


def _with_own_sounds(folder: Path, bundle: Bundle) -> int:
    library_path = demo_library(folder, bundle.fingerprint)
    _step(1, "Listening to your sounds, once; nothing in their folder is changed")
    with _reopened(library_path, bundle) as library:
        if _listen(library, folder).interrupted:
            return INTERRUPTED
        hits = library.search_many(script.GENERAL_QUERIES, k=script.HITS_EACH, hybrid=False)
        found = script.worth_showing(script.GENERAL_QUERIES, hits)

        _step(2, "Some of what is in there, found by sound alone")
        for one in found:
            _typed("search", one.query, "--no-names", "-k", str(script.HITS_EACH))
            _lines(hit_lines(one.hits))

        number = 3
        long_one = script.longest(found)
        if long_one is not None:
            query, hit = long_one
            _step(number, "Where in a long recording")
            _show_moments(library, Path(hit.path), query)
            number += 1

        groups = library.duplicates()
        _step(number, "Sounds that are there twice")
        say(f"   {count(len(groups), 'group')} of files that are, or sound, the same")

    say(strong("\nNow you"))
    at = f"--library {shlex.quote(str(library_path))}"
    _suggest(
        (f'soundseek search "rain on a tin roof" {at}', "your own words"),
        (f"soundseek duplicates {at}", "which those are"),
        (f"soundseek index {shlex.quote(str(folder))}", "keep it: then no --library is needed"),
    )
    return DONE


def _make_sounds(sounds: Path) -> None:
    from soundseek.synth import plan_collection, write_collection

    plan = plan_collection()
    if all((sounds / item.path).is_file() for item in plan):
        say(f"   {count(len(plan), 'file')} in {sounds}, from the last time")
    else:
        say(faint("   making them takes about ten seconds ..."), err=True)
        started = time.perf_counter()
        write_collection(sounds)
        seconds = time.perf_counter() - started
        say(f"   {count(len(plan), 'file')} in {sounds}, made by code alone ({seconds:.1f} s)")
    say("   Some have names that say nothing, as a recorder gives them (← tells what they hold).")


def _listen(library: Library, folder: Path, *, again: bool = False) -> IndexReport:
    at = shlex.quote(shown_path(library.folder))
    say(f"\n   {command(f'$ export {LIBRARY_VARIABLE}={at}')}")
    _typed("index", shown_path(folder), space=False)
    with progress() as on_progress:
        report = library.index([folder], rebuild=again, on_progress=on_progress)
    say(f"   {headline(report)}")
    if report.failed:
        say(f"   {changes(report)}")
        for failure in report.failed[: script.HITS_EACH]:
            say(faint(f"     {shown_path(failure.path)}: {failure.reason}"))
    if report.interrupted:
        say("Stopped early; the same command goes on from here.", err=True)
    return report


def _reopened(library_path: Path, bundle: Bundle) -> Library:
    from soundseek.library import Library

    try:
        return Library.open(library_path, bundle=bundle, create=True)
    except LibraryError:  # it is a cache: what cannot be used any more is made again
        return Library.open(library_path, bundle=bundle, create=True, rebuild=True)


def _show_moments(library: Library, file: Path, query: str) -> None:
    _typed("moments", shown_path(file), query, "-k", str(script.HITS_EACH))
    _lines(moment_lines(library.moments(file, query, k=script.HITS_EACH)))


def _describe(files: Sequence[Path], bundle: Bundle) -> None:
    from soundseek.bundle.captioning.describe import describe, hear
    from soundseek.bundle.captioning.load import load_captioner

    try:
        captioner = load_captioner(bundle=bundle)
    except BundleError:  # a model of one's own may have none
        return
    _step(6, "Describing them in words")
    _typed("caption", *(shown_path(file) for file in files))
    told = describe(captioner, [hear(bundle, file) for file in files])
    _lines([f"{shown_path(one.path)}  {one.caption}" for one in told])


def _remark(known: dict[Path, Item], hit: Hit) -> str:
    item = known.get(Path(hit.path))
    truth = "" if item is None else script.truth(item, hit.start_s, hit.end_s)
    return f"← {truth}" if truth else ""


def _event(scene: str, kind: str) -> str:
    from soundseek.synth import KINDS, SCENES

    event = next(event for event in SCENES[scene].events if event.kind == kind)
    return f"{KINDS[kind].caption.lower()} at {span(event.start_s, event.end_s)}"


def _step(number: int, title: str) -> None:
    say(strong(f"\n{number}. {title}"))


def _typed(name: str, *arguments: str, space: bool = True) -> None:
    """Print a command as it would be typed, below an empty line if there is `space`."""
    words = [f'"{word}"' if " " in word else word for word in arguments]
    say(("\n" if space else "") + f"   {command(' '.join(['$ soundseek', name, *words]))}")


def _lines(lines: Sequence[str]) -> None:
    for line in lines:
        say(f"   {line}")


def _suggest(*suggestions: tuple[str, str]) -> None:
    for typed, why in suggestions:
        say(f"   {command(typed)}")
        say(faint(f"       {why}"))
