"""`soundseek caption`: sounds described in words."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soundseek.audio.quiet import native_messages_silenced
from soundseek.cli.caption_run import Describe, check_alone, opened_run
from soundseek.cli.captions import Outcome, Output, Printer, sidecar_of, write_sidecar
from soundseek.cli.exits import DONE, DONE_WITH_FAILURES, WRONG_USE
from soundseek.cli.options import example, json_option, model_option, seconds
from soundseek.cli.progress import OnProgress, progress
from soundseek.cli.terminal import count, say
from soundseek.errors import AudioError, BundleError, QueryError

if TYPE_CHECKING:
    from soundseek.bundle.captioning.captioner import Captioner
    from soundseek.bundle.captioning.decoding import Decoding
    from soundseek.bundle.captioning.describe import Description, Heard
    from soundseek.bundle.runtime import Bundle

PARTS_S = 10.0
# Files that are listened to before their captions are written together.
_TOGETHER = 16


@click.command(
    epilog=example(
        "soundseek caption rain.wav",
        "soundseek caption ~/sounds --csv > captions.csv",
        "soundseek caption interview.mp3 --windows",
        "soundseek caption ~/sounds --sidecar",
        "soundseek caption rain.wav --run runs/cmu-captioning-baseline",
    )
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--windows", is_flag=True, help=f"Also say what is heard when, by {PARTS_S:.0f} s.")
@click.option(
    "--every", metavar="TIME", callback=seconds, help="As --windows, by parts of another length."
)
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print a table for programs.")
@click.option(
    "--sidecar", is_flag=True, help="Write each caption to FILE.txt, such as rain.wav.txt."
)
@click.option("--force", is_flag=True, help="Let --sidecar replace files that are there.")
@click.option("--beams", type=click.IntRange(min=1), metavar="N", help="Beginnings to pursue.")
@click.option("--greedy", is_flag=True, help="Take the likeliest word every time: fastest.")
@click.option(
    "--nucleus",
    type=click.FloatRange(min=0, max=1, min_open=True),
    metavar="P",
    help="Draw among the likeliest words that have the probability P together.",
)
@click.option("--seed", type=click.IntRange(min=0), help="For --nucleus: other draws.")
@click.option("--words", metavar="FILE", help="Only use the words in this file.")
@model_option
@click.option(
    "--captioner", metavar="NAME", help="Name or path of a captioner, see 'soundseek models list'."
)
@click.option(
    "--run",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="RUN",
    help="The folder of a captioning run, to describe by its model (needs the extra lab).",
)
@click.pass_context
def caption(
    context: click.Context,
    files: Sequence[str],
    windows: bool,
    every: float | None,
    as_json: bool,
    as_csv: bool,
    sidecar: bool,
    force: bool,
    beams: int | None,
    greedy: bool,
    nucleus: float | None,
    seed: int | None,
    words: str | None,
    model: str | None,
    captioner: str | None,
    run: Path | None,
) -> int:
    """Describe sounds in words: a sentence for each FILE.

    A FILE may be a sound, a video, or a folder: sounds are looked for in it and below. Long files
    are listened to piece by piece; --windows says what is heard when. Silence is called "silence".
    A score is the mean log-probability of a caption's words: 0 is certain.

    --sidecar passes over sounds that have a FILE.txt already, so that an interrupted run can go
    on and nothing of yours is replaced; --force writes them again.

    Ends with 0 when all is well, 1 when some files could not be described, 2 when none could.
    """
    output = _output(as_json, as_csv)
    if force and not sidecar:
        raise click.UsageError("--force goes with --sidecar")
    if every is not None and not every > 0:
        raise click.UsageError("--every 0 is no length; give seconds, such as 10")
    chosen = _method(beams, greedy, nucleus, seed)
    if run is None:
        every_s = every if every is not None else PARTS_S if windows else None
        names, describe_files = _bundled(captioner, model, chosen, words, every_s)
    else:
        check_alone(
            context,
            windows=windows,
            every=every is not None,
            model=model is not None,
            captioner=captioner is not None,
        )
        names, describe_files = opened_run(run, chosen, words)

    paths, problems = _sounds(files)
    kept = [path for path in paths if sidecar and not force and os.path.lexists(sidecar_of(path))]
    wanted = [path for path in paths if path not in set(kept)]
    printer = Printer(output, *names)
    for problem in problems:
        printer.take(problem)
    with native_messages_silenced(), _watching(output, len(wanted)) as on_progress:
        for outcome in describe_files(wanted, on_progress):
            printer.take(outcome)
            if sidecar and outcome.description is not None:
                failure = write_sidecar(outcome.path, outcome.description.caption, force=force)
                if failure is not None:
                    printer.take(Outcome(outcome.path, reason=failure))
    printer.finish(kept)
    if not printer.failed:
        return DONE
    return DONE_WITH_FAILURES if printer.described or kept else WRONG_USE


def _output(as_json: bool, as_csv: bool) -> Output:
    if as_json and as_csv:
        raise click.UsageError("--json and --csv cannot go together: choose one")
    return Output.JSON if as_json else Output.CSV if as_csv else Output.TEXT


def _method(
    beams: int | None, greedy: bool, nucleus: float | None, seed: int | None
) -> dict[str, object]:
    """Return the settings of `Decoding` that were asked for."""
    asked = {"--beams": beams is not None, "--greedy": greedy, "--nucleus": nucleus is not None}
    names = [name for name, is_asked in asked.items() if is_asked]
    if len(names) > 1:
        raise click.UsageError(f"{' and '.join(names)} cannot go together: choose one")
    if seed is not None and nucleus is None:
        raise click.UsageError("--seed goes with --nucleus: nothing else is drawn")
    if nucleus is not None:
        return {"method": "nucleus", "top_p": nucleus, "seed": seed or 0}
    if greedy:
        return {"method": "greedy"}
    return {} if beams is None else {"beams": beams}


def _bundled(
    captioner: str | None,
    model: str | None,
    chosen: dict[str, object],
    words: str | None,
    every_s: float | None,
) -> tuple[tuple[str, str], Describe]:
    """Return the names of model and captioner, and what describes files by them."""
    allowed = None if words is None else _read_words(words)
    speaker, bundle = _opened(captioner, model)
    decoding = _decoding(speaker, chosen, allowed)

    def describe_files(paths: Sequence[str], on_progress: OnProgress) -> Iterator[Outcome]:
        return _outcomes(paths, bundle, speaker, decoding, every_s, on_progress)

    return (bundle.name, speaker.name), describe_files


def _read_words(name: str) -> frozenset[str]:
    try:
        words = frozenset(Path(name).read_text(encoding="utf-8-sig").split())
    except UnicodeDecodeError as error:
        raise QueryError(
            f"the words in {name} are not UTF-8 text (byte {error.start})",
            remedy="save the file as UTF-8, words with spaces or lines between them",
        ) from error
    if not words:
        raise QueryError(f"there is no word in {name}", remedy="write one a line")
    return words


def _opened(captioner: str | None, model: str | None) -> tuple[Captioner, Bundle]:
    from soundseek.bundle.captioning.load import bundle_for, load_captioner
    from soundseek.bundle.load import load_bundle

    if captioner is not None and model is None:
        speaker = load_captioner(captioner)
        return speaker, bundle_for(speaker)
    bundle = load_bundle(model)
    return load_captioner(captioner, bundle=bundle), bundle


def _decoding(
    captioner: Captioner, chosen: dict[str, object], words: frozenset[str] | None
) -> Decoding:
    if words is not None:
        unusable = captioner.unusable_words(words)
        if 0 < len(unusable) < len(words):
            shown = ", ".join(unusable[:5]) + ("…" if len(unusable) > 5 else "")
            say(f"note: {captioner.name} cannot write {shown}", err=True)
        chosen = {**chosen, "vocabulary": words}
    return dataclasses.replace(captioner.decoding, **chosen)  # type: ignore[arg-type]


def _sounds(files: Sequence[str]) -> tuple[list[str], list[Outcome]]:
    """Return the sounds that are meant, each once and as it was typed, and what is none."""
    from soundseek.library.scan import scan

    paths: dict[str, None] = {}
    problems = []
    for name in files:
        if not os.path.isdir(name):  # noqa: PTH112 - what is no path at all is told by the reader
            paths[name] = None
            continue
        found = scan([name])
        paths.update(dict.fromkeys(file.path for file in found.files))
        problems += [Outcome(problem.path, reason=problem.reason) for problem in found.problems]
        if not found.files:
            problems.append(Outcome(name, reason="is a folder without sounds"))
    return list(paths), problems


def _outcomes(
    paths: Sequence[str],
    bundle: Bundle,
    captioner: Captioner,
    decoding: Decoding,
    every_s: float | None,
    on_progress: OnProgress,
) -> Iterator[Outcome]:
    """Describe files in their order; what cannot be read comes as such and stops nothing."""
    from soundseek.audio.source import printable
    from soundseek.bundle.captioning.describe import describe, hear
    from soundseek.library.reports import Progress

    done, failed, audio_s = 0, 0, 0.0
    for start in range(0, len(paths), _TOGETHER):
        together = paths[start : start + _TOGETHER]
        heard: list[Heard] = []
        reasons: dict[str, str] = {}
        for path in together:
            try:
                heard.append(hear(bundle, path))
                audio_s += heard[-1].duration_s
            except (AudioError, BundleError) as error:  # the latter for absurd samples
                reasons[path] = error.message.removeprefix(f"{printable(Path(path))}: ")
            done, failed = done + 1, failed + bool(reasons.get(path))
            on_progress(Progress(done, len(paths), path, audio_s, failed))
        described = describe(captioner, heard, decoding, every_s=every_s)
        by_path: dict[str, Description] = {one.path: one for one in described}
        for path in together:
            yield Outcome(path, by_path.get(path), reasons.get(path))


@contextlib.contextmanager
def _watching(output: Output, n_files: int) -> Iterator[OnProgress]:
    """Show how far it is; not where the captions that appear on the same terminal tell."""
    shows_itself = output is not Output.JSON and sys.stdout is not None and sys.stdout.isatty()
    if n_files < 2 or shows_itself:
        yield lambda state: None
        return
    say(f"describing {count(n_files, 'file')}", err=True)
    with progress() as on_progress:
        yield on_progress
