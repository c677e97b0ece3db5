from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from soundseek.bundle.captioning.schema import CaptionerManifest
from soundseek.errors import BundleError


@pytest.fixture
def document(tiny_captioner: Path) -> dict[str, Any]:
    return json.loads((tiny_captioner / "captioner.json").read_bytes())


def test_round_trip(document: dict[str, Any], tiny_captioner: Path) -> None:
    manifest = CaptionerManifest.from_dict(document)
    assert manifest.to_dict() == document
    assert CaptionerManifest.from_json(manifest.to_json()) == manifest
    assert manifest.to_json() == (tiny_captioner / "captioner.json").read_bytes()


def test_all_problems_are_reported_at_once(document: dict[str, Any]) -> None:
    document["hears"]["fingerprint"] = "ABC"
    document["most_windows"] = 0
    document["text"]["begin"] = -1
    document["decoding"]["length_penalty"] = "long"
    del document["provenance"]["recipe"]
    document["extra"] = 1
    with pytest.raises(BundleError) as caught:
        CaptionerManifest.from_dict(document)
    lines = str(caught.value).splitlines()
    assert lines[0] == "captioner.json has 6 problems:"
    for expected in (
        "hears.fingerprint = 'ABC': must be 64 lower-case hexadecimal digits",
        "most_windows = 0: must be an integer of at least 1",
        "text.begin = -1: must be an integer of at least 0",
        "decoding.length_penalty = 'long': must be a finite number",
        "provenance.recipe is missing",
        "extra = 1: unknown key",
    ):
        assert any(expected in line for line in lines), expected


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("name", "../evil", "use a-z"),
        ("created", "yesterday", "ISO 8601"),
        ("hears.name", "Big Model", "hears.name = 'Big Model': use a-z"),
        ("hears.dimension", True, "hears.dimension = True: must be an integer"),
        ("hears", None, "hears = None: must be an object"),
        ("text.max_tokens", 9, "decoding.max_tokens = 10: must not exceed 9"),
        ("decoding.min_tokens", 10, "decoding.min_tokens = 10: must be below 10"),
        ("decoding.beams", 0, "decoding.beams = 0: must be an integer of at least 1"),
        ("decoding.method", "beam", "decoding.method = 'beam': unknown key"),
        ("files", {}, "files.memory.onnx is missing"),
    ],
)
def test_one_problem(document: dict[str, Any], path: str, value: object, message: str) -> None:
    changed = copy.deepcopy(document)
    *parents, key = path.split(".")
    target: Any = changed
    for parent in parents:
        target = target[parent]
    target[key] = value
    with pytest.raises(BundleError, match=message):
        CaptionerManifest.from_dict(changed)


def test_a_newer_version_asks_for_an_upgrade(document: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="upgrade soundseek"):
        CaptionerManifest.from_dict(document | {"schema_version": 2, "new": 1})


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff\xfe"])
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match=r"captioner\.json"):
        CaptionerManifest.from_json(content)
