"""Models of Hugging Face: their files by folder or hub name, read safely and loaded strictly.

A file is taken from the folder, from the Hugging Face cache, or from the hub, in this order.
Tensors are read by `soundseek.lab.checkpoints` (nothing in a file is executed); which of them fit
is decided here, not by transformers, which would draw what is missing in silence.
"""

from __future__ import annotations

import importlib
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from soundseek.errors import DataError
from soundseek.lab.checkpoints import read_checkpoint

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_SHARDS = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
# What transformers makes a tokenizer of where there is no tokenizer.json. Without any of these it
# makes one all the same, which knows no words.
_VOCABULARIES = ("vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")
_MOST_NAMED = 12


def transformers_library() -> Any:
    """The module `transformers`. Raises `DataError` with the remedy where it is not installed."""
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise DataError(
            f"models of Hugging Face need transformers: {error}",
            remedy="pip install 'soundseek[lab]'",
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' messages and progress bars, and put back what was set before."""
    talk = transformers_library().utils.logging
    verbosity, bars = talk.get_verbosity(), talk.is_progress_bar_enabled()
    talk.set_verbosity(logging.CRITICAL)
    talk.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(transformers|huggingface_hub)\b")
            yield
    finally:
        talk.set_verbosity(verbosity)
        if bars:
            talk.enable_progress_bar()


def find(model: str, *names: str) -> Path | None:
    """The first of the files `names` that the folder or hub repository `model` has, or None.

    Raises `DataError` when `model` is neither a folder nor can be asked.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return next((folder / name for name in names if (folder / name).is_file()), None)
    transformers_library()  # which brings the hub's client
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        cached = [try_to_load_from_cache(model, name) for name in names]
        for path in cached:
            if isinstance(path, str):
                return Path(path)
        for name, known in zip(names, cached, strict=True):
            if known is None:  # neither there nor known to be absent
                try:
                    return Path(hf_hub_download(model, name))
                except LocalEntryNotFoundError:
                    raise
                except EntryNotFoundError:
                    continue
    except (OSError, ValueError) as error:
        raise DataError(
            f"{model!r} is no folder here, it is not in the Hugging Face cache "
            f"({constants.HF_HUB_CACHE}), and {' or '.join(names)} could not be fetched: "
            + str(error).split("\n", 1)[0],
            remedy=f"where there is a network, run `hf download {model} --local-dir FOLDER`, bring "
            "FOLDER here, and give it as the model",
        ) from error
    return None


def required(model: str, *names: str) -> Path:
    """As `find`, and raises `DataError` when there is no such file."""
    path = find(model, *names)
    if path is None:
        raise DataError(
            f"{model} has no {' or '.join(names)}", remedy="give the whole folder of the model"
        )
    return path


def read_json(path: Path) -> Any:
    """A JSON file. Raises `DataError` naming it when it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}", remedy="download it again") from error


def read_config(model: str) -> Any:
    """The transformers configuration of a model. Raises `DataError`."""
    path = required(model, "config.json")
    return config_from(read_json(path), where=str(path))


def config_from(document: Any, *, where: str) -> Any:
    """A transformers configuration from its JSON object. Raises `DataError`."""
    library = transformers_library()
    from huggingface_hub.errors import StrictDataclassError

    kind = document.get("model_type") if isinstance(document, Mapping) else None
    if not isinstance(kind, str) or kind not in library.CONFIG_MAPPING:
        raise DataError(
            f"{where} is of no model that transformers {library.__version__} knows "
            f"(model_type {kind!r})",
            remedy="give a transformers model, or install a transformers that knows it",
        )
    try:
        with quiet():
            return library.CONFIG_MAPPING[kind].from_dict(dict(document))
    except (TypeError, ValueError, StrictDataclassError) as error:
        raise DataError(f"{where} is no configuration of {kind}: {error}") from error


def config_json(config: Any) -> str:
    """Every field of a configuration, so that another version's defaults change nothing."""
    return str(config.to_json_string(use_diff=False))


def read_tokenizer(model: str) -> str:
    """The JSON of a model's tokenizer. Raises `DataError`.

    Where there is only a vocabulary, transformers makes the tokenizer of it.
    """
    path = required(model, "tokenizer.json", *_VOCABULARIES)
    if path.name == "tokenizer.json":
        return path.read_text(encoding="utf-8")
    library = transformers_library()
    try:
        with quiet():
            tokenizer = library.AutoTokenizer.from_pretrained(model)
        return str(tokenizer.backend_tokenizer.to_str())
    except (OSError, ValueError, ImportError, AttributeError, TypeError, KeyError) as error:
        raise DataError(
            f"{path} cannot be made a tokenizer: {error}",
            remedy="put the model's tokenizer.json beside it",
        ) from error


def read_tensors(model: str) -> dict[str, Tensor]:
    """The tensors of a model by name, of one file or of several. Raises `DataError`."""
    path = required(model, *_WEIGHTS, *_SHARDS)
    if path.suffix != ".json":
        return dict(read_checkpoint(path).tensors)
    index = read_json(path)
    names = index.get("weight_map") if isinstance(index, Mapping) else None
    if not isinstance(names, Mapping):
        raise DataError(f"{path} lists no files", remedy="download it again")
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(names.values())):
        tensors |= read_checkpoint(required(model, name)).tensors
    return tensors


def load_network(
    kind: Any,
    config: Any,
    tensors: Mapping[str, Tensor],
    *,
    where: str,
    may_be_new: Callable[[str], bool],
    may_be_unused: Callable[[str], bool],
) -> tuple[Any, tuple[str, ...]]:
    """A `kind` of transformers model in float32 and eval mode, with the tensors of a checkpoint,
    and the names of those that the checkpoint does not have.

    transformers maps names of older checkpoints. Parameters that the checkpoint lacks are drawn as
    the architecture asks, where `may_be_new` agrees; tensors without a place are left where
    `may_be_unused` agrees. Raises `DataError` naming everything else that does not fit.
    """
    import torch

    try:
        with quiet():
            network, info = kind.from_pretrained(
                None,
                config=config,
                state_dict=dict(tensors),
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # they come back by name, and are refused below
                output_loading_info=True,
            )
    except (RuntimeError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{where} does not fit {kind.__name__}: {error}") from error
    missing, unexpected = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    unlike = [
        f"{key} {tuple(given)} for {tuple(wanted)}"
        for key, given, wanted in sorted(info["mismatched_keys"])
    ]
    problems = [
        f"{len(keys)} {what}: {', '.join(keys[:_MOST_NAMED])}"
        + (f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else "")
        for what, keys in (
            ("keys are missing", [key for key in missing if not may_be_new(key)]),
            ("keys are unexpected", [key for key in unexpected if not may_be_unused(key)]),
            ("shapes differ", unlike),
            ("errors", [str(message) for message in info["error_msgs"]]),
        )
        if keys
    ]
    if problems:
        raise DataError(
            f"{where} does not fit {kind.__name__}:"
            + "".join(f"\n  - {problem}" for problem in problems),
            remedy="`soundseek models inspect FILE` says what a checkpoint is",
        )
    return network, tuple(missing)
