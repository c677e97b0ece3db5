"""Where a run's figures go beside its tables: TensorBoard, Weights & Biases."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol

from soundseek.errors import SoundseekError
from soundseek.lab.choices import chosen
from soundseek.lab.recipe_files import Section, validated

Say = Callable[[str], None]
TENSORBOARD, WANDB_RUN = "tensorboard", "wandb.json"


class Logger(Protocol):
    """Takes figures by name; steps count those of the whole run."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Figures of a step; those that are not a number are left out."""
        ...

    def close(self) -> None:
        """Write what is left; nothing can be logged any more."""
        ...


@dataclass(frozen=True)
class Session:
    """The run that a logger is opened for; `resumed_step`: steps that it has done before."""

    folder: Path
    run_name: str
    config: Mapping[str, Any]
    resumed_step: int
    options: Mapping[str, Any]


class TensorBoardOptions(Section):
    """`flush_s`: how long figures may wait before they are written."""

    flush_s: int = 30


class WandbOptions(Section):
    """See `wandb.init`; `mode`: None leaves it to the environment variable WANDB_MODE."""

    project: str = "soundseek"
    entity: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    mode: Literal["online", "offline", "disabled"] | None = None


class TensorBoard:
    """Event files in the run's folder, below `tensorboard`."""

    def __init__(self, session: Session) -> None:
        options = validated(TensorBoardOptions, session.options, "options of tensorboard")
        _needed("tensorboard", "SummaryWriter", extra="lab", module="torch.utils.tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        # Whatever a killed session wrote beyond its last checkpoint is written again.
        self._writer = SummaryWriter(
            str(session.folder / TENSORBOARD),
            purge_step=session.resumed_step + 1,
            flush_secs=options.flush_s,
        )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """See `Logger`."""
        for name, value in _numbers(values).items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """See `Logger`."""
        self._writer.close()


class Wandb:
    """A run of Weights & Biases; its id is kept in the folder, so that a resumed run goes on."""

    def __init__(self, session: Session) -> None:
        options = validated(WandbOptions, session.options, "options of wandb")
        wandb = _needed("wandb", "init", extra="wandb")
        given = options.model_dump(exclude_none=True)
        self._run = wandb.init(
            **given,
            name=session.run_name,
            id=_run_id(session.folder / WANDB_RUN),
            resume="allow",
            dir=str(session.folder),
            config=dict(session.config),
        )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """See `Logger`."""
        self._run.log(_numbers(values), step=step)

    def close(self) -> None:
        """See `Logger`."""
        self._run.finish()


LOGGERS: Final[Mapping[str, Callable[[Session], Logger]]] = MappingProxyType(
    {"tensorboard": TensorBoard, "wandb": Wandb}
)


class Loggers:
    """Several loggers as one. The first that fails is told of, closed and left out: no training
    ends because its figures cannot be shown."""

    def __init__(self, loggers: Mapping[str, Logger], say: Say) -> None:
        self._loggers, self._say = dict(loggers), say

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """See `Logger`."""
        for name, logger in list(self._loggers.items()):
            try:
                logger.scalars(step, values)
            except Exception as error:  # whatever a foreign library raises
                del self._loggers[name]
                self._say(f"{name} gets no more figures, from step {step} on: {error!r}")
                self._close(name, logger)

    def close(self) -> None:
        """See `Logger`."""
        for name, logger in self._loggers.items():
            self._close(name, logger)
        self._loggers = {}

    def _close(self, name: str, logger: Logger) -> None:
        try:
            logger.close()
        except Exception as error:  # whatever a foreign library raises
            self._say(f"{name} could not be closed: {error!r}")


def open_loggers(
    names: Sequence[str],
    folder: Path,
    *,
    run_name: str,
    config: Mapping[str, Any],
    resumed_step: int,
    options: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    say: Say = print,
) -> Loggers:
    """Open the loggers called `names` for the run in `folder`; no names, no logging.

    `resumed_step`: how many steps the checkpoint has that the run goes on from, 0 for a new run.
    `options` by logger: `TensorBoardOptions`, `WandbOptions`. Raises `RecipeError` for unknown
    names and options, `SoundseekError` for a package that is not installed; one that cannot be
    opened for another reason is told of and left out.
    """
    for name in (*names, *options):
        chosen(LOGGERS, name, "logger")
    opened: dict[str, Logger] = {}
    for name in dict.fromkeys(names):
        session = Session(folder, run_name, config, resumed_step, options.get(name, {}))
        try:
            opened[name] = LOGGERS[name](session)
        except SoundseekError:
            Loggers(opened, say).close()
            raise
        except Exception as error:  # whatever a foreign library raises: no network, no login
            say(f"{name} cannot be opened and gets no figures: {error!r}")
    return Loggers(opened, say)


def _numbers(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if not math.isnan(value)}


def _needed(package: str, name: str, *, extra: str, module: str | None = None) -> Any:
    try:
        found = import_module(module or package)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        found = None
    # A folder of runs called `wandb` in the current folder can be imported too: it has nothing.
    if not hasattr(found, name):
        raise SoundseekError(
            f"logging to {package} needs the package {package}, which is not installed",
            remedy=f"pip install 'soundseek[{extra}]'",
        )
    return found


def _run_id(file: Path) -> str:
    """The id of the folder's run, made when it is first asked for."""
    if file.is_file():
        try:
            return str(json.loads(file.read_text(encoding="utf-8"))["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise SoundseekError(
                f"{file} does not tell which run of W&B this is: {error!r}",
                remedy="remove it to begin another run there",
            ) from error
    made = uuid.uuid4().hex[:8]
    draft = file.with_suffix(".partial")
    draft.write_text(json.dumps({"id": made}) + "\n", encoding="utf-8")
    draft.replace(file)
    return made
