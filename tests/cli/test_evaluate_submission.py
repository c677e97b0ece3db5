from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

pytest.importorskip("torch")

from soundseek.bundle.load import load_bundle
from soundseek.metrics.dcase import read_predictions
from support.command_line import succeeded, typed

pytestmark = pytest.mark.lab

NAMES = [f"s{i:02}.wav" for i in range(12)]
QUERIES = ["a dog barks", "rain, and wind", "steps"]
ABOUT = ("--author", "Ada King Lovelace", "--institute", "Engines", "--abbreviation", "AE")


@pytest.fixture(autouse=True)
def files(home: Path) -> Path:
    rng = np.random.default_rng(0)
    (home / "sounds").mkdir()
    for i, name in enumerate(NAMES):
        wave = rng.standard_normal(8000 + 500 * i) * 0.1
        soundfile.write(home / "sounds" / name, wave, 16_000)
    (home / "q.txt").write_text("a dog barks\n\n  rain, and wind \nsteps\n", encoding="utf-8")
    return home


def failed(*arguments: str | Path) -> str:
    """Run a command line that must end with 2; returns what it says."""
    result = typed(*arguments)
    assert result.exit_code == 2, result.output
    return result.output


def words(model: Path, *more: str, queries: str = "q.txt", out: str = "out") -> tuple[str, ...]:
    places = ("--sounds", "sounds", "--queries", queries, "--out", out)
    return ("evaluate", "submission", str(model), *places, *ABOUT, *more)


def test_a_model_answers_as_the_years_ask(home: Path, tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    paths = [home / "sounds" / name for name in NAMES]
    expected = bundle.encode_text(QUERIES) @ bundle.encode_audio(paths).T
    told = json.loads(succeeded(*words(tiny_bundle, "--year", "2025", "--json")))
    assert told["output"] == "out/Lovelace_AE_task6_1.output.csv"
    assert (told["queries"], told["files"]) == (3, 12)
    with Path(told["output"]).open(newline="", encoding="utf-8") as file:
        (header, *rows) = csv.reader(file)
    assert header == ["index", *NAMES]
    assert [row[0] for row in rows] == QUERIES
    found = np.array([[float(cell) for cell in row[1:]] for row in rows])
    np.testing.assert_allclose(found, expected, atol=1e-5)

    succeeded(*words(tiny_bundle, "--year", "2024", "--number", "2"))
    with Path("out/Lovelace_AE_task8_2.output.csv").open(newline="", encoding="utf-8") as file:
        (header, *rows) = csv.reader(file)
    best = np.argsort(-expected, axis=1, kind="stable")[:, :10]
    assert [row[1:] for row in rows] == [[NAMES[i] for i in places] for places in best]
    meta = yaml.safe_load(Path("out/Lovelace_AE_task8_2.meta.yaml").read_text(encoding="utf-8"))
    assert meta["submission"]["label"] == "Lovelace_AE_task8_2"
    assert meta["submission"]["authors"][0]["firstname"] == "Ada King"
    assert read_predictions("out/Lovelace_AE_task8_2.output.csv")


@pytest.mark.parametrize(
    "text",
    [
        'query,x\na dog barks,1\n"rain, and wind",2\nsteps,3\n',
        '\ufefffile_name,caption_1,caption_2\na.wav,a dog barks,"rain, and wind"\nb.wav,steps,\n',
    ],
)
def test_queries_stand_in_tables_too(home: Path, tiny_bundle: Path, text: str) -> None:
    (home / "q.csv").write_text(text, encoding="utf-8")
    succeeded(*words(tiny_bundle, "--year", "2025", queries="q.csv"))
    with Path("out/Lovelace_AE_task6_1.output.csv").open(newline="", encoding="utf-8") as file:
        assert [row[0] for row in csv.reader(file)][1:] == QUERIES


def test_every_sound_must_be_heard(home: Path, tiny_bundle: Path) -> None:
    for name in ("a.wav", "b.flac"):
        (home / "sounds" / name).write_bytes(b"no sound")
    told = failed(*words(tiny_bundle, "--year", "2024"))
    assert "2 of 14 sounds cannot be read" in told
    assert "a.wav" in told
    assert "b.flac" in told
    assert not Path("out").exists()


def test_what_is_wrong_is_told_before_anything_is_heard(home: Path, tiny_bundle: Path) -> None:
    (home / "empty.txt").write_text("\n \n", encoding="utf-8")
    assert "holds no query" in failed(*words(tiny_bundle, "--year", "2024", queries="empty.txt"))
    (home / "q.csv").write_text("text\nrain\n", encoding="utf-8")
    assert "has the columns text" in failed(*words(tiny_bundle, "--year", "2024", queries="q.csv"))
    assert "2021" in failed(*words(tiny_bundle, "--year", "2021"))
    (home / "none").mkdir()
    told = failed(*words(tiny_bundle, "--year", "2024", "--sounds", "none"))
    assert "no sounds in none" in told
