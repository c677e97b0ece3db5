from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("pycocoevalcap")

from soundseek.errors import SoundseekError
from soundseek.lab.reporting import captioned
from soundseek.lab.reporting.captions import told
from soundseek.lab.reporting.markdown import as_markdown
from soundseek.lab.reporting.report import write_report
from soundseek.lab.reporting.run import read_run
from support.report_tables import tables
from support.retrieval import silent

pytestmark = pytest.mark.lab

Made = Callable[..., Path]


def figures(folder: Path) -> str:
    return as_markdown(told(read_run(folder)).figures)


def examples(folder: Path) -> str:
    return as_markdown(told(read_run(folder)).examples)


def test_what_is_in_scores_json_stands_beside_what_was_published(captioning_scores: Made) -> None:
    report = write_report(captioning_scores(), silent)
    shown = tables(report)["Figures"]
    assert shown["figure"] == ["published", "measured", "95 % interval"]
    assert shown["BLEU-1"] == ["0.5000", "0.1230", "0.1000 – 0.2000"]
    assert shown["CIDEr"] == ["", "0.4560", "0.4000 – 0.5000"]
    assert shown["SPIDEr"] == ["0.2000", "", ""]
    assert shown["vocabulary"] == ["", "1,234", ""]
    assert list(shown) == ["figure", "BLEU-1", "CIDEr", "SPIDEr", "vocabulary"]
    text = report.read_text(encoding="utf-8")
    assert "n = 5 clips (clips/test), a caption each, seed 5" in text
    assert "BLEU and METEOR are bootstrap intervals" in text
    assert "The published figures are those after 3 epochs; this run is of 20." in text
    assert "**Not comparable**: published on clotho/evaluation, measured on clips/test." in text
    assert "- METEOR: needs Java\n- SPICE, SPIDEr: no parser\n" in text


def test_published_on_the_same_set_and_after_the_same_epochs(captioning_scores: Made) -> None:
    published = {"source": "p", "on": "clips/test", "epochs": 20, "scores": {"cider": 0.5}}
    text = figures(captioning_scores(published=published))
    assert "The published figures are those after 20 epochs." in text
    assert "Not comparable" not in text
    text = figures(captioning_scores(published=published | {"epochs": None}))
    assert "epochs" not in text
    text = figures(captioning_scores(published=None))
    assert "| figure | measured | 95 % interval |" in text


def test_scores_that_are_lacking_are_computed_from_the_captions(captioning_run: Made) -> None:
    run = read_run(captioning_run())
    assert run.scores is not None
    assert run.scores["n"] == run.scores["clips"] == 5
    assert run.scores["metrics"]["cider"]["value"] > 0
    assert "spice" in run.scores["missing"]
    assert "| CIDEr |" in figures(run.folder)


def test_examples_are_ranked_by_cider_and_escaped(captioning_scores: Made) -> None:
    text = examples(captioning_scores())
    best, worst, drawn = text.split("### ")[1:]
    assert best.startswith("Best captions")
    rows = [line for line in best.splitlines() if line.startswith("| ")][2:]
    assert rows[0].endswith(
        "| a door slams shut | a door slams shut / somebody shuts a door | `door` |"
    )
    assert len(rows) == 2
    bad = [line.split(" | ")[0] for line in worst.splitlines() if line.startswith("| ")][2:]
    assert bad == ["| 0.0000", "| 0.0000"]
    assert "`door`" not in worst
    assert drawn.startswith("Captions drawn by chance (seed 5)")
    assert drawn.count("\n| ") == 2 + 5
    assert r"a plane flies \<past\>" in text
    assert r"someone barks \| like a dog" in text


def test_without_the_metrics_captions_are_shown_as_they_come(
    captioning_run: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*_: object, **__: object) -> None:
        raise SoundseekError("needs pycocoevalcap", remedy="pip install it")

    monkeypatch.setattr(captioned, "evaluate_captions", absent)
    folder = captioning_run()
    text = write_report(folder, silent).read_text(encoding="utf-8")
    assert "**Not scored**: needs pycocoevalcap" in text
    assert "They are not ranked by CIDEr: needs pycocoevalcap" in text
    assert "Best captions" not in text
    assert text.count("`door`") == 1
    assert "They are not ranked: needs pycocoevalcap" in (folder / "captions.html").read_text(
        encoding="utf-8"
    )


def test_one_clip_has_no_cider(captioning_run: Made) -> None:
    folder = captioning_run()
    (folder / "captions.csv").write_text(
        "id,prediction,reference_1\na,a dog,a dog barks\n", encoding="utf-8"
    )
    assert "with one clip every weight is 0" in examples(folder)
    assert "n = 1 clip (clips/test)" in figures(folder)


@pytest.mark.parametrize(
    ("gone", "data", "said"),
    [
        (["captions.csv"], None, "There are no figures of a test set"),
        (["captions.csv"], {"test": []}, "The recipe has no test set"),
        (["captions.csv", "metrics.csv", "validation.csv"], None, "Nothing was measured yet"),
    ],
)
def test_an_unfinished_run(
    captioning_run: Made, gone: list[str], data: dict[str, object] | None, said: str
) -> None:
    folder = captioning_run(**({} if data is None else {"data": data}))
    for name in gone:
        (folder / name).unlink()
    text = write_report(folder, silent).read_text(encoding="utf-8")
    assert said in text
    assert "Examples" not in text
    assert not (folder / "captions.html").exists()


def test_damaged_captions_are_named(captioning_run: Made) -> None:
    folder = captioning_run()
    for text in ("id,text\na,b\n", "id,prediction,reference_1\na,b\n", ""):
        (folder / "captions.csv").write_text(text, encoding="utf-8")
        with pytest.raises(SoundseekError, match=r"captions\.csv is damaged"):
            read_run(folder)


def test_the_data_need_not_be_there(captioning_run: Made, tmp_path: Path) -> None:
    folder = captioning_run()
    shutil.rmtree(tmp_path / "data")
    assert "`door`" in examples(folder)
    page = told(read_run(folder)).pages["captions.html"]
    assert "it is not known where they are" in page
    assert "<audio" not in page
    json.dumps(page)
