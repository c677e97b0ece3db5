from __future__ import annotations

import builtins
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from soundseek.errors import DataError
from soundseek.lab.environment import write_environment
from soundseek.lab.reporting.report import make_report, write_report
from soundseek.lab.run_clips import write_clips
from support.pages import read_page
from support.report_tables import tables
from support.retrieval import silent

pytestmark = pytest.mark.lab

Made = Callable[..., Path]
PLOTS = {"loss.svg", "validation.svg", "recall.svg", "similarity.svg", "ranks.svg"}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_report_shows_the_figures_of_scores_json(run_folder: Made) -> None:
    folder = run_folder()
    report = write_report(folder, silent)
    assert report == folder / "report.md"
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    shown = tables(report)
    across = scores["audio_to_text"]["metrics"]
    for heading, metrics in (("Text → audio", scores["metrics"]), ("Audio → text", across)):
        assert set(metrics) <= set(shown[heading])
        for name, metric in metrics.items():
            value, interval = shown[heading][name][-2:]
            digits = 1 if name == "medR" else 4
            assert float(value) == round(metric["value"], digits)
            if metric["ci95"] is not None:
                bounds = [float(bound) for bound in interval.split(" – ")]
                assert bounds == [round(bound, 4) for bound in metric["ci95"]]
    assert shown["Text → audio"]["R@1"][0] == "0.1000"
    text = report.read_text(encoding="utf-8")
    assert "n = 12 queries on 6 clips (clips/test), seed 7" in text
    assert "**Not comparable**: published on clotho/evaluation, measured on clips/test." in text
    assert shown["Training"]["first"] == ["6", "2.00", "6.0 s", "0.8333", "3", "0.3100"]
    assert shown["Training"]["stage-2"] == ["3", "3.00", "9.0 s", "0.5556", "9", "0.3200"]
    assert {path.name for path in (folder / "plots").iterdir()} == PLOTS


def test_published_on_the_same_set_is_comparable(run_folder: Made) -> None:
    folder = run_folder(published={"source": "p", "on": "clips/test", "scores": {"R@1": 0.5}})
    made = make_report(folder, silent)
    assert "Not comparable" not in made.path.read_text(encoding="utf-8")
    assert made.figures["comparable"]
    assert ">published<" in (folder / "plots" / "recall.svg").read_text(encoding="utf-8")


def test_pages_are_well_formed_escaped_and_their_links_lead_somewhere(
    run_folder: Made, found: Any
) -> None:
    folder = run_folder()
    for clip in found.clips:
        Path(clip.path).parent.mkdir(exist_ok=True)
        Path(clip.path).write_bytes(b"")
    write_environment(folder)
    write_report(folder, silent)
    for name in ("report.html", "worst-queries.html"):
        text = (folder / name).read_text(encoding="utf-8")
        page = read_page(text)
        assert page.open == []
        assert "script" not in page.tags
        assert "http" not in text.replace("http://www.w3.org", "")
        assert "test/hand <made>" in page.text
        assert 'a <b>dog</b> & "cat"' in page.text
        assert len(set(page.ids)) == len(page.ids)
        for link in [*page.links, *page.sounds]:
            parts = urlsplit(link)
            place = Path(unquote(parts.path))
            assert parts.scheme in ("", "file")
            assert (place if parts.scheme else folder / place).is_file(), link
    assert len(read_page((folder / "worst-queries.html").read_text(encoding="utf-8")).sounds) > 3
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    assert r"by hand \| \& in \<haste\>" in markdown
    for part in markdown.split("](")[1:]:
        assert (folder / unquote(part.partition(")")[0])).is_file()


def test_written_twice_it_is_the_same(run_folder: Made) -> None:
    folder = run_folder()
    write_environment(folder)
    write_report(folder, silent)
    before = contents(folder)
    write_report(folder, silent)
    assert contents(folder) == before
    assert not any(name.endswith(".partial") for name in before)


def test_clips_and_environment_are_told(run_folder: Made) -> None:
    from soundseek.lab.data.manifest import Clip

    clip = Clip(
        id="a", path="a.wav", duration_s=1800, captions=("x", "y"), source="s", split="train",
        licence="CC0", group="a",
    )  # fmt: skip
    folder = run_folder()
    write_clips(folder, "train", {"training": [clip, clip]}, {"bad|clip": "no sound"})
    write_environment(folder)
    write_environment(folder)
    report = write_report(folder, silent)
    shown = tables(report)
    assert shown["Data"]["training"] == ["2", "4", "1.00", "s 2"]
    assert shown["Data"]["test"][:2] == ["6", "12"]
    text = report.read_text(encoding="utf-8")
    assert "1 clip could not be read" in text
    assert "`bad\\|clip`: no sound" in text
    assert "2 sessions, started" in text


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ([], None),
        (["similarities"], None),
        (["scores.json", "similarities"], "There are no figures of a test set"),
        (["scores.json", "similarities", "validation.csv"], "There are no figures of a test set"),
        (["scores.json", "similarities", "validation.csv", "metrics.csv"], "Nothing was measured"),
        (["validation.csv", "metrics.csv"], None),
    ],
)
def test_an_unfinished_run_has_a_report_of_what_there_is(
    run_folder: Made, gone: list[str], said: str | None
) -> None:
    folder = run_folder()
    for name in gone:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    made = make_report(folder, silent)
    text = made.path.read_text(encoding="utf-8")
    assert (said is None) == ("Text → audio" in text)
    if said is not None:
        assert said in text
        assert made.figures["metrics"] == {}
    assert ("similarities" in gone) == (not (folder / "worst-queries.html").exists())
    assert ("metrics.csv" in gone) == (not (folder / "plots" / "loss.svg").exists())
    assert read_page((folder / "report.html").read_text(encoding="utf-8")).open == []


def test_what_an_earlier_report_had_does_not_stay(run_folder: Made) -> None:
    """A run that began anew has no worst queries and plots of its forerunner."""
    folder = run_folder()
    write_report(folder, silent)
    for name in ("scores.json", "validation.csv", "metrics.csv"):
        (folder / name).unlink()
    shutil.rmtree(folder / "similarities")
    write_report(folder, silent)
    assert not (folder / "worst-queries.html").exists()
    assert not any((folder / "plots").iterdir())


def test_a_recipe_without_a_test_set(run_folder: Made) -> None:
    folder = run_folder(data={"test": []})
    (folder / "scores.json").unlink()
    shutil.rmtree(folder / "similarities")
    text = write_report(folder, silent).read_text(encoding="utf-8")
    assert "The recipe has no test set" in text


def test_without_matplotlib_there_are_no_plots_which_is_told(
    run_folder: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError("no matplotlib", name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    told: list[str] = []
    report = write_report(run_folder(), told.append)
    assert "R@10" in report.read_text(encoding="utf-8")
    assert "![" not in report.read_text(encoding="utf-8")
    assert told == ["the report has no plots: they need matplotlib: pip install 'soundseek[lab]'"]


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run in"):
        write_report(tmp_path, silent)
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_model_has_neither_stages_nor_a_best(run_folder: Made) -> None:
    folder = run_folder(
        system="distilled", data={"folder": "d"}, stages=None, optimiser={"steps": 9}
    )
    (folder / "scores.json").unlink()
    table = folder / "validation.csv"
    table.write_text("step,R@1,mAP@10\n5,0.5,0.4\n9,0.4,0.3\n", encoding="utf-8")
    (folder / "metrics.csv").write_text(
        "step,seconds,learning_rate,loss,nt_xent\n5,1.0,0.1,2.0,1.0\n9,2.0,0.1,1.0,0.5\n",
        encoding="utf-8",
    )
    made = make_report(folder, silent)
    assert tables(made.path)["Training"]["train"] == ["9", "", "2.0 s", "1.0000", "9", "0.3000"]
    assert made.figures["n"] == 12
    shutil.rmtree(folder / "similarities")
    text = write_report(folder, silent).read_text(encoding="utf-8")
    assert "scored when it is exported: `soundseek export RUN`" in text


def test_a_captioning_run_has_figures_and_examples_and_no_ranking(
    captioning_scores: Made,
) -> None:
    folder = captioning_scores()
    (folder / "worst-queries.html").write_text("of another run", encoding="utf-8")
    made = make_report(folder, silent)
    text = made.path.read_text(encoding="utf-8")
    for word in ("Text → audio", "queries", "mAP@10", "R@1"):
        assert word not in text
    assert {path.name for path in (folder / "plots").iterdir()} == {"loss.svg", "validation.svg"}
    assert (folder / "captions.html").is_file()
    assert not (folder / "worst-queries.html").exists()
    assert made.figures["kept"] == {"train": {"step": 6, "loss": 1.0, "perplexity": 2.718}}
    assert made.figures["metrics"]["cider"] == {"value": 0.456, "ci95": [0.4, 0.5]}
    assert made.figures["missing"]["spice"] == "no parser"
    assert (made.figures["n"], made.figures["test_set"]) == (5, "clips/test")
    assert tables(made.path)["Training"]["train"] == ["9", "3.00", "9.0 s", "0.5556", "6", "1.0000"]
    assert tables(made.path)["Data"]["test"][:3] == ["5", "10", ""]
    before = contents(folder)
    write_report(folder, silent)
    assert contents(folder) == before
