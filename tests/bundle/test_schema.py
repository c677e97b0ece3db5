from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from soundseek.bundle.check import read_manifest
from soundseek.bundle.schema import BundleManifest, Calibration
from soundseek.errors import BundleError


@pytest.fixture
def document(tiny_bundle: Path) -> dict[str, Any]:
    return json.loads((tiny_bundle / "bundle.json").read_bytes())


def problems(document: object) -> list[str]:
    with pytest.raises(BundleError) as caught:
        BundleManifest.from_dict(document)
    return str(caught.value).splitlines()[1:]


def test_round_trip(document: dict[str, Any], tiny_bundle: Path) -> None:
    manifest = BundleManifest.from_dict(document)
    assert manifest.to_dict() == document
    assert BundleManifest.from_json(manifest.to_json()) == manifest
    assert manifest.to_json() == (tiny_bundle / "bundle.json").read_bytes()


def test_calibration_may_be_null_but_not_missing(document: dict[str, Any]) -> None:
    document["similarity"]["calibration"] = None
    manifest = BundleManifest.from_dict(document)
    assert manifest.similarity.calibration is None
    assert manifest.to_dict()["similarity"] == {"scale": 20.0, "calibration": None}
    del document["similarity"]["calibration"]
    assert problems(document) == ["  - similarity.calibration is missing: must be an object"]


def test_calibrations_without_a_meaning_are_of_pairs(document: dict[str, Any]) -> None:
    """Bundles that were written before calibrations said what they were fitted on."""
    assert document["similarity"]["calibration"].pop("fitted_on") == "hits"
    calibration = BundleManifest.from_dict(document).similarity.calibration
    assert calibration == Calibration(slope=8.0, intercept=-4.0, fitted_on="pairs")


def test_all_problems_are_reported_at_once(document: dict[str, Any]) -> None:
    document["dimension"] = 0
    document["audio"]["sample_rate"] = "16000"
    document["audio"]["window"] = 5
    document["text"]["lowercase"] = 1
    del document["provenance"]["recipe"]
    document["provenance"]["data"][0]["clips"] = -3
    document["files"]["audio.onnx"]["sha256"] = "ABC"
    lines = problems(document)
    for expected in (
        "dimension = 0: must be an integer of at least 1",
        "audio.sample_rate = '16000': must be an integer",
        "audio.window = 5: unknown key",
        "text.lowercase = 1: must be true or false",
        "provenance.recipe is missing",
        "provenance.data[0].clips = -3: must be an integer of at least 0",
        "files.audio.onnx.sha256 = 'ABC': must be 64",
    ):
        assert any(expected in line for line in lines), expected


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("name", "Big Model", "use a-z"),
        ("name", "../evil", "use a-z"),
        ("name", "", "must be a text with content"),
        ("created", "yesterday", "ISO 8601"),
        ("dimension", True, "integer"),
        ("audio", [], "must be an object"),
        ("audio.hop_samples", 50_000, "must not exceed window_samples 46320"),
        ("audio.window_samples", 399, "the front-end needs at least 400"),
        ("audio.sample_rate", 8000, "audio.frontend.sample_rate = 16000: must be 8000"),
        ("audio.frontend", {"sample_rate": 16000}, "missing: "),
        ("audio.frontend", None, "must be an object"),
        ("similarity.scale", float("nan"), "finite"),
        ("similarity.calibration.slope", "steep", "finite number"),
        ("similarity.calibration.fitted_on", "guesses", "= 'guesses': must be one of hits, pairs"),
        ("similarity.calibration.fitted_on", None, "must be one of hits, pairs"),
        ("provenance.data", {}, "must be a list"),
        ("provenance.data", ["esc10"], r"provenance.data\[0\] = 'esc10': must be an object"),
        ("provenance.scores", 0.3, "must be an object"),
        ("files.weights.bin", {"sha256": "0" * 64, "bytes": 1}, "unknown key"),
        ("extra", "x" * 100, r"extra = 'x+\.\.\.: unknown key"),
    ],
)
def test_one_problem(document: dict[str, Any], path: str, value: object, message: str) -> None:
    changed = copy.deepcopy(document)
    target: Any = changed
    parents, key = path.split(".")[:-1], path.split(".")[-1]
    if path.startswith("files."):
        parents, key = ["files"], path.removeprefix("files.")
    for parent in parents:
        target = target[parent]
    target[key] = value
    with pytest.raises(BundleError, match=message):
        BundleManifest.from_dict(changed)


def test_a_missing_section_is_one_problem(document: dict[str, Any]) -> None:
    del document["text"]
    assert problems(document) == ["  - text is missing: must be an object"]


def test_a_newer_version_asks_for_an_upgrade(document: dict[str, Any]) -> None:
    document["schema_version"] = 2
    document["something_new"] = 1
    with pytest.raises(BundleError, match="upgrade soundseek"):
        BundleManifest.from_dict(document)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bundle.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        read_manifest(tmp_path)
