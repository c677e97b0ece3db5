from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from soundseek.errors import DataError
from soundseek.lab.checkpoints import Checkpoint, load_strict, read_checkpoint

pytestmark = pytest.mark.lab

TENSORS = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.bias": torch.ones(2)}


class Trap:
    """What a pickle would run when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def saved(folder: Path, document: Any, name: str = "a.pt", **how: Any) -> Path:
    path = folder / name
    torch.save(document, path, **how)
    return path


def same(checkpoint: Checkpoint) -> bool:
    found = checkpoint.tensors
    return list(found) == list(TENSORS) and all(found[key].equal(TENSORS[key]) for key in TENSORS)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("wrapped", "wrapper"),
    [
        (lambda tensors: tensors, ""),
        (lambda tensors: {"model": tensors, "epoch": 3}, "model"),
        (lambda tensors: {"state_dict": tensors, "arch": "x"}, "state_dict"),
        (lambda tensors: {"model_state_dict": tensors}, "model_state_dict"),
        (lambda tensors: {"net": tensors}, "net"),
        (lambda tensors: (tensors, {"optimiser": 1}), "[0]"),
        (lambda tensors: [tensors], "[0]"),
        (lambda tensors: {"net": {"x": 1}, "model": tensors}, "model"),
        (lambda tensors: {"model": "resnet", "net": tensors}, "net"),
    ],
)
def test_known_layouts(
    tmp_path: Path, wrapped: Callable[[Any], Any], wrapper: str, old: bool
) -> None:
    how = {"_use_new_zipfile_serialization": not old}
    checkpoint = read_checkpoint(saved(tmp_path, wrapped(TENSORS), **how))
    assert same(checkpoint)
    assert checkpoint.wrapper == wrapper
    assert checkpoint.path == tmp_path / "a.pt"
    assert checkpoint.config == {}


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(TENSORS, path)
    checkpoint = read_checkpoint(str(path))
    assert {key: value.tolist() for key, value in checkpoint.tensors.items()} == {
        key: value.tolist() for key, value in TENSORS.items()
    }


def test_what_describes_the_network_is_kept(tmp_path: Path) -> None:
    document = {"cfg": {"width": 3}, "model": TENSORS | {"version": "a text"}}
    checkpoint = read_checkpoint(saved(tmp_path, document))
    assert checkpoint.config == {"width": 3}
    assert same(checkpoint)


def test_the_tensors_below_a_prefix(tmp_path: Path) -> None:
    document = {f"encoder.{key}": value for key, value in TENSORS.items()} | {
        "head.weight": torch.zeros(1)
    }
    checkpoint = read_checkpoint(saved(tmp_path, document))
    assert same(checkpoint.under("encoder."))
    assert checkpoint.under("none.").tensors == {}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(DataError, match=r"no checkpoint at .*\n.*path of a downloaded file"):
            read_checkpoint(path)


@pytest.mark.parametrize("old", [False, True])
def test_a_file_cut_off_anywhere(tmp_path: Path, old: bool) -> None:
    how = {"_use_new_zipfile_serialization": not old}
    whole = saved(tmp_path, {"model": TENSORS}, **how).read_bytes()
    path = tmp_path / "cut.pt"
    for length in {0, 1, 2, 4, 50, len(whole) // 2, len(whole) - 30, len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.pt .*\n.*download it again"):
            read_checkpoint(path)


@settings(deadline=None)
@given(data=st.binary(max_size=60), old=st.booleans())
def test_bytes_that_are_no_checkpoint(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, old: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.pt"
    # Of a pickle by its first bytes, too.
    path.write_bytes(b"\x80\x02" + data if old else data)
    with pytest.raises(DataError, match=r"bytes\.pt"):
        read_checkpoint(path)


@pytest.mark.parametrize("old", [False, True])
def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, old: bool) -> None:
    how = {"_use_new_zipfile_serialization": not old}
    path = saved(tmp_path, {"model": TENSORS, "x": Trap(tmp_path / "ran")}, **how)
    with pytest.raises(DataError, match=r"could execute code.*\n.*safetensors"):
        read_checkpoint(path)
    bare = tmp_path / "bare.pt"
    bare.write_bytes(pickle.dumps(Trap(tmp_path / "ran"), protocol=2))
    with pytest.raises(DataError, match=r"bare\.pt"):
        read_checkpoint(bare)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", ["empty", "cut", "header", "text"])
def test_damaged_safetensors(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.safetensors"
    save_file(TENSORS, path)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[:-4],
            "header": b"\xff" * 8 + whole[8:],
            "text": b"<html>not found</html>",
        }[damage]
    )
    with pytest.raises(DataError, match=r"cannot be read: .*\n.*download it again"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "document",
    [
        {},
        (),
        [],
        {"model": {}},
        {"epoch": 3},
        7,
        "text",
        torch.ones(2),
        [torch.ones(2)],
        {"a": [1]},
    ],
    ids=str,
)
def test_what_holds_no_tensors_by_name(tmp_path: Path, document: Any) -> None:
    with pytest.raises(DataError, match=r"holds no tensors by name\n.*'model', 'state_dict'"):
        read_checkpoint(saved(tmp_path, document))


def network() -> nn.Module:
    module = nn.Module()
    module.layer = nn.Linear(3, 2)
    return module


def test_loading_is_strict() -> None:
    module = network()
    load_strict(module, TENSORS, where="a.pt")
    assert {key: value.tolist() for key, value in module.state_dict().items()} == {
        key: value.tolist() for key, value in TENSORS.items()
    }


def test_everything_that_does_not_fit_is_listed() -> None:
    tensors = {
        "layer.weight": torch.zeros(3, 2),
        "other": torch.ones(1),
        "more.weight": torch.ones(1),
    }
    module = network()
    before = module.layer.weight.detach().clone()
    with pytest.raises(DataError) as caught:
        load_strict(module, tensors, where="a.pt", ignored=lambda key: key.startswith("more."))
    message = str(caught.value)
    assert message.startswith("a.pt does not fit Module:")
    assert "1 keys are missing: layer.bias" in message
    assert "1 keys are unexpected: other" in message
    assert "1 shapes differ: layer.weight (3, 2) for (2, 3)" in message
    assert "soundseek models inspect" in message
    assert module.layer.weight.equal(before)


def test_ignored_keys_may_be_there_or_not_and_are_loaded_where_they_fit() -> None:
    module = network()
    load_strict(
        module, TENSORS | {"table": torch.ones(1)}, where="a", ignored=lambda key: key == "table"
    )
    # A key of the module is wanted, whatever is ignored.
    with pytest.raises(DataError, match=r"1 keys are missing: layer\.bias"):
        load_strict(module, {"layer.weight": torch.ones(2, 3)}, where="a", ignored=lambda key: True)


def test_long_lists_are_cut() -> None:
    tensors = TENSORS | {f"key{i:02}": torch.ones(1) for i in range(30)}
    with pytest.raises(DataError, match=r"30 keys are unexpected: .*key11 and 18 more"):
        load_strict(network(), tensors, where="a.pt")
