from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.command_line import succeeded, typed


@pytest.fixture
def installed(home: Path, tiny_bundle: Path) -> Path:
    """The folder of the user's models, with the tiny one."""
    shutil.copytree(tiny_bundle, home / "models" / "tiny")
    return home / "models"


def rows() -> dict[str, dict[str, object]]:
    listed = json.loads(succeeded("models", "list", "--json"))["models"]
    return {row["name"]: row for row in listed if row["origin"] == "user"}


def test_the_users_models_are_listed(installed: Path) -> None:
    row = rows()["tiny"]
    assert (row["dimension"], row["problem"], row["default"]) == (32, None, False)
    shown = succeeded("models", "list")
    assert "tiny  Statistics of mel bands, for tests" in shown
    assert str(Path("models", "tiny")) in shown


def test_a_damaged_model_is_listed_with_its_problem_beside_the_others(installed: Path) -> None:
    shutil.copytree(installed / "tiny", installed / "broken")
    (installed / "broken" / "audio.onnx").write_bytes(b"short")
    assert rows()["tiny"]["problem"] is None
    assert "audio.onnx" in str(rows()["broken"]["problem"])
    assert "cannot be used" in succeeded("models", "list")


def test_no_models_are_no_error(home: Path) -> None:
    assert rows() == {}
    assert "your own models go into models" in typed("models", "list").stderr


def test_a_model_is_described(installed: Path) -> None:
    shown = succeeded("models", "show", "tiny")
    assert shown.startswith("tiny\n  Statistics of mel bands, for tests\n")
    assert "32 values for every 2.9 s of sound at 16,000 Hz" in shown
    assert "synthetic: 6 clips, CC0-1.0" in shown
    assert "none were measured" in shown


def test_a_model_is_described_as_json(installed: Path) -> None:
    shown = json.loads(succeeded("models", "show", "tiny", "--json"))
    assert shown["dimension"] == 32
    assert len(shown["fingerprint"]) == 64
    assert shown["path"] == str(installed / "tiny")


def test_verify_tells_what_was_altered(installed: Path) -> None:
    assert succeeded("models", "show", "tiny", "--verify").endswith("as they were made\n")
    card = installed / "tiny" / "MODEL_CARD.md"
    card.write_bytes(card.read_bytes()[::-1])
    result = typed("models", "show", "tiny", "--verify")
    assert result.exit_code == 2
    assert "MODEL_CARD.md" in result.stderr


def test_an_unknown_model_is_refused_with_the_nearest(installed: Path) -> None:
    result = typed("models", "show", "tinny")
    assert result.exit_code == 2
    assert "did you mean 'tiny'?" in result.stderr


def test_captioners_have_their_own_group(installed: Path, tiny_captioner: Path) -> None:
    shown = succeeded("models", "list")
    assert "soundseek-captions-2" in shown[shown.index("captioners") :]
    assert "hears soundseek-mini-2, embedded, " in shown
    shutil.copytree(tiny_captioner, installed / "words")
    shutil.copytree(tiny_captioner, installed / "broken")
    (installed / "broken" / "decoder.onnx").write_bytes(b"short")
    listed = json.loads(succeeded("models", "list", "--json"))
    assert "words" not in {row["name"] for row in listed["models"]}
    found = {row["name"]: row for row in listed["captioners"] if row["origin"] == "user"}
    assert (found["words"]["hears"], found["words"]["problem"]) == ("tiny", None)
    assert "decoder.onnx" in found["broken"]["problem"]
    shown = succeeded("models", "list")
    assert "words  Names tones, for tests\n    hears tiny, user, " in shown
    assert "broken  cannot be used: " in shown


def test_a_captioner_is_described(installed: Path, tiny_captioner: Path) -> None:
    shutil.copytree(tiny_captioner, installed / "words")
    shown = succeeded("models", "show", "words", "--verify")
    assert shown.startswith("tiny-captions\n  Names tones, for tests\n")
    assert "up to 4 windows of a sound" in shown
    assert "1 to 10 tokens, 3 beams" in shown
    assert "synthetic SPIDEr: 0.500 [0.400, 0.600]" in shown
    assert str(Path("models", "words", "MODEL_CARD.md")) in shown
    assert shown.endswith("as they were made\n")
    assert succeeded("models", "show", str(tiny_captioner)).startswith("tiny-captions")
    document = json.loads(succeeded("models", "show", "words", "--json"))
    assert document["hears"]["name"] == "tiny"
