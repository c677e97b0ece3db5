"""`soundseek data`: corpora for training and evaluating, from where they are published to a
manifest. Needs the extra `lab`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from soundseek.cli.corpora import clips_of, steps
from soundseek.cli.exits import DONE, DONE_WITH_FAILURES
from soundseek.cli.lazy import Entry, LazyGroup
from soundseek.cli.options import example, json_option
from soundseek.cli.terminal import count, faint, length, say, say_json, shown_path, strong

if TYPE_CHECKING:
    from soundseek.lab.data.hygiene import Report
    from soundseek.lab.data.manifest import Clip

_HERE = "soundseek.cli.data"
_CORPORA = "soundseek.cli.corpora"
_EXAMPLES_SHOWN = 3

COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {
        "list": Entry(f"{_CORPORA}:list_corpora", "The corpora that can be read."),
        "fetch": Entry(f"{_CORPORA}:fetch_corpus", "Download a corpus' published files."),
        "prepare": Entry(f"{_HERE}:prepare", "Read a corpus, exclude, write a manifest."),
        "check": Entry(f"{_HERE}:check", "Find missing and broken sounds, doubles and leaks."),
        "stats": Entry(f"{_HERE}:stats", "Count clips, hours, captions and words."),
    }
)


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    epilog=example("soundseek data prepare clotho ~/clotho --out clotho.parquet"),
)
def data() -> None:
    """Prepare corpora of captioned sounds for the lab."""


def _options(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise click.BadParameter(f"{name!r}: write it as NAME=VALUE", ctx, param)
    return {name: value for name, _, value in pairs}


_audio = click.option(
    "--audio",
    type=click.Choice(["required", "present", "optional"]),
    default="required",
    show_default=True,
    help="Clips without a readable sound: an error, left out, or kept for their texts.",
)
_option = click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_options,
    help="An option of the corpus, such as splits=evaluation; repeatable.",
)


@click.command(
    epilog=example(
        "soundseek data prepare clotho ~/clotho --out clotho.parquet",
        "soundseek data prepare wavcaps ~/wavcaps --audio present --exclude clotho_all "
        "--lists ~/lists --out wavcaps.parquet",
    )
)
@click.argument("corpus")
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .parquet file.")
@click.option(
    "--exclude",
    "excluded",
    multiple=True,
    metavar="LIST",
    help="What to leave out: a file, or a set such as clotho_all; repeatable.",
)
@click.option(
    "--lists",
    "lists_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the published lists that sets are made of.",
)
@click.option("--may-exclude-nothing", is_flag=True, help="A list without effect is no error.")
@_audio
@_option
@json_option
def prepare(
    corpus: str,
    root: Path,
    out: Path,
    excluded: tuple[str, ...],
    lists_folder: Path | None,
    may_exclude_nothing: bool,
    audio: str,
    options: dict[str, str],
    as_json: bool,
) -> int:
    """Read CORPUS from the folder ROOT and write its manifest, with a report beside it.

    Ends with 1 if clips were left out because their sounds are missing or broken.
    """
    from soundseek.lab.data.preparation import exclusion_list, prepare_corpus

    made = prepare_corpus(
        corpus,
        root,
        out,
        audio=audio,
        options=options,
        exclusions=[exclusion_list(named, lists_folder) for named in excluded],
        must_exclude=not may_exclude_nothing,
        on_progress=steps(clips_of),
    )
    left_out = made.without_sound if audio == "present" else {}
    for name in made.exclusion.excluded_nothing:
        say(f"warning: {name} excluded nothing", err=True)
    if as_json:
        say_json(
            {
                "manifest": str(made.manifest),
                "report": str(made.report),
                "clips": len(made.clips),
                "without_sound": made.without_sound,
                "exclusion": made.exclusion.to_dict(),
            }
        )
    else:
        say(f"{count(len(made.clips), 'clip')} in {shown_path(made.manifest)}")
        if excluded:
            say(f"{count(len(made.exclusion.excluded), 'clip')} excluded")
        if made.without_sound:
            what = "left out" if left_out else "kept for their texts"
            say(f"{count(len(made.without_sound), 'clip')} without a readable sound, {what}")
        _describe(made.hygiene)
        say(faint(f"report: {shown_path(made.report)}"), err=True)
    return DONE_WITH_FAILURES if left_out else DONE


@click.command(
    epilog=example(
        "soundseek data check clotho.parquet --deep", "soundseek data check clotho ~/clotho --json"
    )
)
@click.argument("target", metavar="MANIFEST|CORPUS")
@click.argument("root", required=False, type=click.Path(path_type=Path))
@click.option("--deep", is_flag=True, help="Decode every sound to its end.")
@click.option("--texts-only", is_flag=True, help="Leave the sounds alone.")
@_option
@json_option
def check(
    target: str,
    root: Path | None,
    deep: bool,
    texts_only: bool,
    options: dict[str, str],
    as_json: bool,
) -> int:
    """Check a MANIFEST, or a CORPUS in the folder ROOT.

    Ends with 1 if sounds are missing or broken; all else that is odd is only told.
    """
    from soundseek.lab.data import hygiene

    if deep and texts_only:
        raise click.UsageError("--deep and --texts-only exclude each other")
    clips = _clips(target, root, options)
    report = hygiene.check(clips, sounds=not texts_only, deep=deep, on_progress=steps(clips_of))
    if as_json:
        say_json(report.to_dict())
    else:
        say(f"{count(report.clips, 'clip')}, {count(report.failures, 'failure')}")
        _describe(report)
    return DONE_WITH_FAILURES if report.failures else DONE


@click.command(
    epilog=example("soundseek data stats clotho.parquet", "soundseek data stats clotho ~/clotho")
)
@click.argument("target", metavar="MANIFEST|CORPUS")
@click.argument("root", required=False, type=click.Path(path_type=Path))
@_option
@json_option
def stats(target: str, root: Path | None, options: dict[str, str], as_json: bool) -> None:
    """Count what is in a MANIFEST, or in a CORPUS in the folder ROOT."""
    from soundseek.lab.data.statistics import statistics

    figures = statistics(_clips(target, root, options))
    if as_json:
        say_json(figures)
        return
    _figures("all", figures.pop("all"))
    for field, parts in figures.items():
        say(strong(field))
        for name, part in parts.items():
            _figures(f"  {name}", part)


def _clips(target: str, root: Path | None, options: dict[str, str]) -> list[Clip]:
    from soundseek.lab.data.corpora import read_corpus
    from soundseek.lab.data.manifest import read_parquet

    if root is None:
        if options:
            raise click.UsageError("--option needs a CORPUS and its ROOT")
        return read_parquet(target)
    return read_corpus(target, root, audio="optional", options=options)


def _describe(report: Report) -> None:
    for kind, found in report.findings().items():
        if not found:
            continue
        say(f"  {kind.replace('_', ' ')}: {len(found):,}")
        for one in found[:_EXAMPLES_SHOWN]:
            clips = ", ".join(one.clips[:_EXAMPLES_SHOWN])
            more = ", …" if len(one.clips) > _EXAMPLES_SHOWN else ""
            say(faint(f"    {one.subject} ({clips}{more})"))
    say(f"  without Freesound id: {report.without_freesound_id:,}")


def _figures(name: str, part: Mapping[str, Any]) -> None:
    quantiles = part["duration_quantiles_s"]
    lasting = f", median {length(quantiles['0.5'])}" if quantiles else ""
    say(
        f"{name}: {count(part['clips'], 'clip')}, {part['hours']:,.2f} h{lasting}, "
        f"{count(part['captions'], 'caption')}, {count(part['words'], 'word')} "
        f"({part['vocabulary']:,} different)"
    )
