"""`soundseek models inspect`: what a downloaded checkpoint is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from soundseek.cli.extras import needing_lab
from soundseek.cli.options import example, json_option
from soundseek.cli.terminal import count, faint, say, say_json, shown_path, strong

if TYPE_CHECKING:
    from soundseek.lab.audio_encoders.inspection import Inspection


@click.command(
    "inspect",
    epilog=example(
        "soundseek models inspect Cnn14_mAP=0.431.pth",
        "soundseek models inspect BEATs_iter3_plus_AS2M.pt --json",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def inspect(file: Path, as_json: bool) -> None:
    """Say what a checkpoint is, from the tensors in it.

    FILE is a PyTorch or safetensors checkpoint. What is in it is read, never executed.
    """
    with needing_lab():
        from soundseek.lab.audio_encoders.inspection import inspect_checkpoint

        found = inspect_checkpoint(file)
    if as_json:
        say_json(found.to_dict())
        return
    _describe(found)


def _describe(found: Inspection) -> None:
    say(f"{strong(found.kind)}  {shown_path(found.path)}")
    facts = {
        "encoder": found.architecture or "none of the lab's reads it",
        "tensors": f"{found.tensors:,}" + (f" under {found.wrapper!r}" if found.wrapper else ""),
        "parameters": f"{found.parameters:,}",
    }
    for name, size in found.sizes.items():
        facts[name.replace("_", " ")] = _shown(size)
    for fact, value in facts.items():
        say(f"  {fact:<12} {value}")
    if found.architecture is None:
        say("  keys")
        for key in found.keys:
            say(faint(f"    {key}"))
        if more := found.tensors - len(found.keys):
            say(faint(f"    and {count(more, 'more key', 'more keys')}"))
    for warning in found.warnings:
        say(f"  note: {warning}")


def _shown(size: object) -> str:
    if size is None:
        return "not told"
    if isinstance(size, bool):
        return "yes" if size else "no"
    if isinstance(size, tuple):
        return ", ".join(map(str, size))
    return f"{size:,}" if isinstance(size, int) else str(size) or "none"
