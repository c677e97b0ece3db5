from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from soundseek.lab.reporting import report
from soundseek.lab.reporting.report import write_report
from soundseek.lab.retrieval.train import train
from soundseek.lab.similarities import open_similarities
from support.pages import read_page
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab


@pytest.fixture
def run(document: Document, recipe_of: Callable[..., Any], tmp_path: Path) -> Path:
    """A run that is done."""
    folder = tmp_path / "run"
    train(recipe_of(document), folder, silent)
    return folder


def test_a_training_leaves_a_report_whose_sounds_can_be_heard(run: Path) -> None:
    scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    found = open_similarities(run / "similarities" / "test")
    assert (scores["n"], scores["audio_to_text"]["n"]) == (15, 5)
    text = (run / "report.md").read_text(encoding="utf-8")
    for direction in (scores, scores["audio_to_text"]):
        for name in ("R@1", "mAP@10"):
            assert f"| {name} | {direction['metrics'][name]['value']:.4f} | " in text
    assert {path.stem for path in (run / "plots").iterdir()} == {
        "loss",
        "validation",
        "recall",
        "similarity",
        "ranks",
    }
    page = read_page((run / "worst-queries.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert page.sounds
    heard = {str(Path(unquote(urlsplit(sound).path))) for sound in page.sounds}
    assert heard <= {clip.path for clip in found.clips}
    assert all(Path(path).is_file() for path in heard)


def test_it_can_be_made_again_without_the_models(run: Path) -> None:
    names = ("report.md", "report.html", "worst-queries.html")
    before = [(run / name).read_bytes() for name in names]
    for name in names:
        (run / name).unlink()
    for name in ("best.pt", "last.pt"):
        (run / name).write_bytes(b"")
    write_report(run, silent)
    assert [(run / name).read_bytes() for name in names] == before


def test_a_report_that_fails_loses_no_scores(
    document: Document,
    recipe_of: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(report, "write_report", fail)
    told: list[str] = []
    folder = tmp_path / "run"
    train(recipe_of(document), folder, told.append)
    assert json.loads((folder / "scores.json").read_text(encoding="utf-8"))["n"] == 15
    assert (folder / "similarities" / "test").is_dir()
    assert told[-1] == (
        f"no report: OSError('no space left'); make it again: soundseek report {folder}"
    )
