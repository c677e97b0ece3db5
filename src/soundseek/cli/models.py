"""`soundseek models`: which models there are, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from soundseek.cli.lazy import Entry, LazyGroup
from soundseek.cli.options import example, json_option
from soundseek.cli.terminal import count, faint, say, say_json, shown_path, size, strong
from soundseek.errors import BundleError

if TYPE_CHECKING:
    from soundseek.bundle.captioning.captioner import Captioner
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
    """List the models on this machine: the embedded ones, then your own.

    Models find sounds; captioners describe in words what a certain model hears.
    """
    from soundseek.bundle import catalogue
    from soundseek.bundle.captioning import catalogue as captioners
    from soundseek.bundle.places import user_folder

    default, default_captioner = _default_name(), captioners.default_name()
    rows = [_row(entry, default, _facts_of_bundle) for entry in catalogue.entries()]
    speakers = [
        _row(entry, default_captioner, _facts_of_captioner) for entry in captioners.entries()
    ]
    if as_json:
        say_json({"models": rows, "captioners": speakers})
        return
    for row in rows:
        _say_row(row)
    say(faint("captioners" if speakers else "captioners: none is installed"))
    for row in speakers:
        _say_row(row, f"hears {row['hears']}, " if row["hears"] else "")
    say(faint(f"your own models go into {shown_path(user_folder())}"), err=True)


@click.command(epilog=example("soundseek models show", "soundseek models show my-model --verify"))
@click.argument("name", required=False)
@click.option("--verify", is_flag=True, help="Also compare the hash of every file.")
@json_option
def show(name: str | None, verify: bool, as_json: bool) -> None:
    """Describe a model or a captioner: by default, the embedded model.

    NAME is a name from 'soundseek models list' or a path.
    """
    model = _opened(name)
    if verify:
        model.verify()
    if as_json:
        say_json(
            {
                "path": str(model.folder),
                "fingerprint": model.fingerprint,
                **model.manifest.to_dict(),
            }
        )
        return
    _describe(model)
    if verify:
        say("all files are as they were made")


def _default_name() -> str | None:
    from soundseek.bundle import catalogue

    try:
        return catalogue.default_name()
    except BundleError:  # an installation without embedded models can still list the user's
        return None


def _opened(name: str | None) -> Bundle | Captioner:
    """Open what is called so; a model rather than a captioner, if there are both."""
    from soundseek.bundle import catalogue
    from soundseek.bundle.captioning import catalogue as captioners
    from soundseek.bundle.captioning.load import load_captioner
    from soundseek.bundle.load import load_bundle

    if name and not any(entry.name == name for entry in catalogue.entries()):
        named = any(entry.name == name for entry in captioners.entries())
        if named or captioners.is_captioner(Path(name)):
            return load_captioner(name)
    return load_bundle(name)


def _row(
    entry: CatalogueEntry, default: str | None, facts: Callable[[Path], dict[str, object]]
) -> dict[str, object]:
    row: dict[str, object] = {
        "name": entry.name,
        "origin": entry.origin,
        "path": str(entry.path),
        "default": entry.origin == "embedded" and entry.name == default,
        "description": None,
        "dimension": None,
        "fingerprint": None,
        "hears": None,
        "problem": None,
    }
    try:
        return row | facts(entry.path)
    except BundleError as error:  # one damaged model must not hide the others
        return row | {"problem": error.message}


def _facts_of_bundle(path: Path) -> dict[str, object]:
    from soundseek.bundle.load import load_bundle

    bundle = load_bundle(path)
    return {
        "description": bundle.manifest.description,
        "dimension": bundle.dimension,
        "fingerprint": bundle.fingerprint,
    }


def _facts_of_captioner(path: Path) -> dict[str, object]:
    from soundseek.bundle.captioning.load import load_captioner

    captioner = load_captioner(path)
    return {
        "description": captioner.manifest.description,
        "dimension": captioner.manifest.hears.dimension,
        "fingerprint": captioner.fingerprint,
        "hears": captioner.manifest.hears.name,
    }


def _say_row(row: Mapping[str, object], what_it_hears: str = "") -> None:
    mark = " (default)" if row["default"] else ""
    what = f"cannot be used: {row['problem']}" if row["problem"] else row["description"]
    say(f"{strong(str(row['name']))}{mark}  {what}")
    say(faint(f"    {what_it_hears}{row['origin']}, {shown_path(str(row['path']))}"))


def _describe(model: Bundle | Captioner) -> None:
    from soundseek.bundle.runtime import Bundle
    from soundseek.bundle.schema import CARD_FILE

    manifest = model.manifest
    say(strong(model.name))
    say(f"  {manifest.description}")
    total = sum(record.bytes for record in manifest.files.values())
    facts = {
        "made": manifest.created,
        **(_use_of_bundle(model) if isinstance(model, Bundle) else _use_of_captioner(model)),
        "recipe": manifest.provenance.recipe,
        "size": size(total),
        "fingerprint": model.fingerprint,
        "folder": shown_path(model.folder),
        "card": shown_path(model.folder / CARD_FILE),
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


def _use_of_bundle(bundle: Bundle) -> dict[str, str]:
    return {
        "vectors": f"{bundle.dimension} values for every {bundle.window_s:.1f} s of sound "
        f"at {bundle.sample_rate:,} Hz",
        "queries": f"up to {bundle.manifest.text.max_tokens} tokens",
    }


def _use_of_captioner(captioner: Captioner) -> dict[str, str]:
    manifest = captioner.manifest
    decoding = manifest.decoding
    return {
        "hears": f"{manifest.hears.name} ({captioner.hears[:12]}), "
        f"up to {count(manifest.most_windows, 'window')} of a sound",
        "captions": f"{decoding.min_tokens} to {decoding.max_tokens} tokens, "
        f"{count(decoding.beams, 'beam')}",
    }


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
