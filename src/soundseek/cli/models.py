"""`soundseek models`: which models there are, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from soundseek.cli.lazy import Entry, LazyGroup
from soundseek.cli.options import example, json_option
from soundseek.cli.terminal import faint, say, say_json, shown_path, size, strong
from soundseek.errors import BundleError

if TYPE_CHECKING:
    from soundseek.bundle.catalogue import CatalogueEntry
    from soundseek.bundle.runtime import Bundle

_HERE = "soundseek.cli.models"

COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {
        "list": Entry(f"{_HERE}:list_models", "The models on this machine."),
        "show": Entry(f"{_HERE}:show", "What a model is, was made from, and scores."),
        "inspect": Entry("soundseek.cli.inspect:inspect", "What a downloaded checkpoint is."),
    }
)


@click.group(cls=LazyGroup, table=COMMANDS, epilog=example("soundseek models list"))
def models() -> None:
    """List and describe models."""


@click.command("list", epilog=example("soundseek models list", "soundseek models list --json"))
@json_option
def list_models(as_json: bool) -> None:
    """List the models on this machine: the embedded ones, then your own."""
    from soundseek.bundle import catalogue
    from soundseek.bundle.places import user_folder

    default = _default_name()
    rows = [_row(entry, default) for entry in catalogue.entries()]
    if as_json:
        say_json({"models": rows})
        return
    for row in rows:
        mark = " (default)" if row["default"] else ""
        what = f"cannot be used: {row['problem']}" if row["problem"] else row["description"]
        say(f"{strong(str(row['name']))}{mark}  {what}")
        say(faint(f"    {row['origin']}, {shown_path(str(row['path']))}"))
    say(faint(f"your own models go into {shown_path(user_folder())}"), err=True)


@click.command(epilog=example("soundseek models show", "soundseek models show my-model --verify"))
@click.argument("name", required=False)
@click.option("--verify", is_flag=True, help="Also compare the hash of every file.")
@json_option
def show(name: str | None, verify: bool, as_json: bool) -> None:
    """Describe a model: by default, the embedded one.

    NAME is a name from 'soundseek models list' or a path.
    """
    from soundseek.bundle.load import load_bundle

    bundle = load_bundle(name)
    if verify:
        bundle.verify()
    if as_json:
        say_json(
            {
                "path": str(bundle.folder),
                "fingerprint": bundle.fingerprint,
                **bundle.manifest.to_dict(),
            }
        )
        return
    _describe(bundle)
    if verify:
        say("all files are as they were made")


def _default_name() -> str | None:
    from soundseek.bundle import catalogue

    try:
        return catalogue.default_name()
    except BundleError:  # an installation without embedded models can still list the user's
        return None


def _row(entry: CatalogueEntry, default: str | None) -> dict[str, object]:
    from soundseek.bundle.load import load_bundle

    row: dict[str, object] = {
        "name": entry.name,
        "origin": entry.origin,
        "path": str(entry.path),
        "default": entry.origin == "embedded" and entry.name == default,
        "description": None,
        "dimension": None,
        "fingerprint": None,
        "problem": None,
    }
    try:
        bundle = load_bundle(entry.path)
    except BundleError as error:  # one damaged bundle must not hide the others
        return row | {"problem": error.message}
    return row | {
        "description": bundle.manifest.description,
        "dimension": bundle.dimension,
        "fingerprint": bundle.fingerprint,
    }


def _describe(bundle: Bundle) -> None:
    manifest = bundle.manifest
    say(strong(bundle.name))
    say(f"  {manifest.description}")
    total = sum(record.bytes for record in manifest.files.values())
    facts = {
        "made": manifest.created,
        "vectors": f"{bundle.dimension} values for every {bundle.window_s:.1f} s of sound "
        f"at {bundle.sample_rate:,} Hz",
        "queries": f"up to {manifest.text.max_tokens} tokens",
        "recipe": manifest.provenance.recipe,
        "size": size(total),
        "fingerprint": bundle.fingerprint,
        "folder": shown_path(bundle.folder),
    }
    for fact, value in facts.items():
        say(f"  {fact:<12} {value}")
    say("  made from")
    for source in manifest.provenance.data:
        say(f"    {source.name}: {source.clips:,} clips, {source.licence}")
    if manifest.provenance.scores:
        say("  scores")
        for place, figure in _figures(manifest.provenance.scores):
            say(f"    {place}: {figure}")


def _figures(scores: Mapping[str, object], place: str = "") -> Iterator[tuple[str, str]]:
    """Walk through free-form scores; a figure with an interval takes one line."""
    for name, score in scores.items():
        here = f"{place} {name}".strip()
        if not isinstance(score, Mapping):
            yield here, str(score)
        elif "value" not in score:
            yield from _figures(score, here.removesuffix(" metrics"))
        elif isinstance(interval := score.get("ci95"), list):
            yield here, f"{score['value']:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"
        else:
            yield here, str(score["value"])
