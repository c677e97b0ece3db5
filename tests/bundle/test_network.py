from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from soundseek.bundle.load import load_bundle
from soundseek.bundle.network import Network, usable_processors
from soundseek.errors import BundleError

AUDIO_INPUTS = {"features": 3, "lengths": 1}
FEEDS = {
    "features": np.zeros((2, 20, 64), dtype=np.float32),
    "lengths": np.array([20, 3], dtype=np.int64),
}


def test_runs_and_stays_open(tiny_bundle: Path) -> None:
    network = Network(tiny_bundle / "audio.onnx", AUDIO_INPUTS, 32, threads=2)
    assert not network.is_open
    assert network.run(FEEDS).shape == (2, 32)
    assert network.is_open
    assert network.open() is network.open()


def test_threads_are_those_of_this_process_unless_told(tiny_bundle: Path) -> None:
    default = Network(tiny_bundle / "audio.onnx", AUDIO_INPUTS, 32, threads=None)
    assert default.threads == usable_processors() <= (os.cpu_count() or 1)
    told = Network(tiny_bundle / "audio.onnx", AUDIO_INPUTS, 32, threads=3)
    assert told.open().get_session_options().intra_op_num_threads == 3
    with pytest.raises(BundleError, match="threads is 0"):
        load_bundle(tiny_bundle, threads=0)


@pytest.mark.parametrize(
    ("inputs", "dimension", "message"),
    [
        (
            {"waveform": 2},
            32,
            "lengths with 1 axes instead of waveform with 2",
        ),
        ({"features": 4, "lengths": 1}, 32, "instead of features with 4 axes"),
        (AUDIO_INPUTS, 64, "returns vectors of 32 values instead of 64"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(
    tiny_bundle: Path, inputs: dict[str, int], dimension: int, message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        Network(tiny_bundle / "audio.onnx", inputs, dimension, threads=1).open()


def test_a_network_without_embedding_is_refused(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", value[:1], value[1:])
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match=r"returns \['y'\] instead of 'embedding'"):
        Network(tmp_path / "net.onnx", {"x": 1}, 4, threads=1).open()


def test_what_is_no_network_is_refused_quietly(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(BundleError, match=r"cannot open .*bad\.onnx"):
        Network(tmp_path / "bad.onnx", AUDIO_INPUTS, 32, threads=1).open()
    assert capfd.readouterr() == ("", "")


def test_a_failing_run_names_the_network(
    tiny_bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    network = Network(tiny_bundle / "audio.onnx", AUDIO_INPUTS, 32, threads=1)
    wrong = FEEDS | {"features": np.zeros((2, 20, 63), dtype=np.float32)}
    with pytest.raises(BundleError, match=r"audio\.onnx failed to run"):
        network.run(wrong)
    assert capfd.readouterr() == ("", "")


def test_values_that_are_not_finite_are_refused(tiny_bundle: Path) -> None:
    network = Network(tiny_bundle / "audio.onnx", AUDIO_INPUTS, 32, threads=1)
    with pytest.raises(BundleError, match="not finite"):
        network.run(FEEDS | {"features": np.full((2, 20, 64), np.nan, dtype=np.float32)})


def test_nothing_is_reported_to_anyone(tiny_bundle: Path, tmp_path: Path) -> None:
    # ONNX Runtime keeps what it would report in the user's cache folder until it can be sent.
    code = (
        "from soundseek.bundle.load import load_bundle\n"
        f"load_bundle({str(tiny_bundle)!r}).encode_text('rain')"
    )
    unset = ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY", "CI")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    subprocess.run(
        [sys.executable, "-c", code], env={**environment, "HOME": str(tmp_path)}, check=True
    )
    assert list(tmp_path.iterdir()) == []
