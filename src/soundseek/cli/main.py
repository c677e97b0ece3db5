"""The table of commands, and the entry point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

import click

import soundseek
from soundseek.cli.lazy import Entry, LazyGroup

_FIND = "Find sounds"
_KEEP = "Keep a collection in order"
_MODELS = "Models"

COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {
        "demo": Entry(
            "soundseek.cli.demo:demo", "Show it all on sample sounds, or on a folder.", _FIND
        ),
        "index": Entry("soundseek.cli.index:index", "Listen to the sounds in folders.", _FIND),
        "search": Entry("soundseek.cli.search:search", "Find sounds by describing them.", _FIND),
        "moments": Entry(
            "soundseek.cli.moments:moments", "Find where in a long file it sounds so.", _FIND
        ),
        "caption": Entry("soundseek.cli.caption:caption", "Describe sounds in words.", _FIND),
        "serve": Entry("soundseek.cli.serve:serve", "Search in a browser.", _FIND),
        "duplicates": Entry(
            "soundseek.cli.duplicates:duplicates", "List sounds that are there twice.", _KEEP
        ),
        "library": Entry(
            "soundseek.cli.library:library", "Status, check, caption, export, remove.", _KEEP
        ),
        "models": Entry("soundseek.cli.models:models", "List and describe models.", _MODELS),
        "data": Entry("soundseek.cli.data:data", "Corpora to train and evaluate with.", _MODELS),
        "recipes": Entry("soundseek.cli.lab:recipes", "What models are trained by.", _MODELS),
        "train": Entry("soundseek.cli.train:train", "Train a model by a recipe.", _MODELS),
        "evaluate": Entry(
            "soundseek.cli.evaluate:evaluate", "Score a system, or files of predictions.", _MODELS
        ),
        "tune": Entry("soundseek.cli.tune:tune", "Search for a recipe's best settings.", _MODELS),
        "ablate": Entry(
            "soundseek.cli.ablate:ablate", "Measure what each part of a recipe is worth.", _MODELS
        ),
        "report": Entry(
            "soundseek.cli.report:report", "What a run learnt, in figures and plots.", _MODELS
        ),
        "ensemble": Entry(
            "soundseek.cli.ensemble:ensemble", "Join systems that are trained.", _MODELS
        ),
        "export": Entry(
            "soundseek.cli.lab:export", "Turn a trained run or a CLAP into a model.", _MODELS
        ),
    }
)
"""Every command: where it is, what `--help` says of it, and under which heading."""


class Face(LazyGroup):
    """The outermost group: whatever happens below it ends in one of the known exit codes."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run a command line and end the process, with the exit codes of `soundseek.cli.exits`.

        Always ends the process: `standalone_mode` is there to match the method of click.
        """
        import sys

        from soundseek.cli.exits import guarded

        def command() -> object:
            return super(Face, self).main(
                args, prog_name, complete_var, standalone_mode=False, **extra
            )

        sys.exit(guarded(command))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that the arguments name."""
        import errno

        from soundseek.cli.exits import OutputClosedError

        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            raise OutputClosedError from error


@click.group(
    "soundseek",
    cls=Face,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExample:\n  soundseek demo\n  soundseek index ~/sounds\n"
    '  soundseek search "rain on a tin roof"',
)
@click.version_option(soundseek.__version__, prog_name="soundseek")
def face() -> None:
    """Find any sound by describing it: offline, on your own machine."""


def run() -> NoReturn:
    """What the command `soundseek` calls."""
    face.main(prog_name=face.name)
