from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")
pytest.importorskip("transformers")

from soundseek.errors import DataError, RecipeError
from soundseek.lab.captioning import files
from soundseek.lab.captioning.files import open_captioner
from soundseek.lab.captioning.prepare import prepare_part
from soundseek.lab.captioning.scoring import captions_of
from soundseek.lab.captioning.trained import load_trained
from soundseek.lab.retrieval.clips import test_clips
from support.captioning_runs import untrained_run
from support.retrieval import noise, silent

pytestmark = pytest.mark.lab

KINDS = {
    "frozen": ("cmu2022/captioning_baseline",),
    "learning": ("cmu2022/captioning_baseline", "audio.frozen=false"),
    "events": ("cmu2022/captioning_events",),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with a run a kind, and their recipes."""
    folder = tmp_path_factory.mktemp("captioning-runs")
    made = {
        kind: untrained_run(folder / kind, name, folder / "sounds", *overrides)
        for kind, (name, *overrides) in KINDS.items()
    }
    return folder, made


def told(captioner: files.FileCaptioner, paths: list[str]) -> list[tuple[str, float]]:
    found = []
    for one in captioner.captions(paths):
        assert one.description is not None, one.reason
        found.append((one.description.caption, one.description.score))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_captioned_as_clips_of_a_test_set_are(
    kind: str, runs: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    run, recipe = runs[0] / kind, runs[1][kind]
    trained = load_trained(run)
    clips = test_clips(recipe.data, silent)
    part = prepare_part("test", clips, recipe, trained.model, tmp_path, silent)
    described = captions_of(trained.model, part, recipe.decoding, silent)
    expected = [one.written for one in described]
    found = told(open_captioner(run), [clip.path for clip in part.clips])
    assert len({text for text, _ in found}) > 1
    assert [text for text, _ in found] == [one.text for one in expected]
    # Sounds are kept in 16 bits there, and are floats here.
    assert [score for _, score in found] == pytest.approx(
        [one.mean_log_probability for one in expected], abs=2e-3
    )


def test_what_is_beside_a_file_changes_nothing(
    runs: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [clip.path for clip in test_clips(runs[1]["frozen"].data, silent)]
    captioner = open_captioner(runs[0] / "frozen", {"method": "nucleus", "seed": 3})
    whole = told(captioner, paths)
    monkeypatch.setattr(files, "TOGETHER", 3)
    parted = told(captioner, paths)
    assert [text for text, _ in whole] == [text for text, _ in parted]
    assert [score for _, score in whole] == pytest.approx([score for _, score in parted], abs=1e-4)
    other = open_captioner(runs[0] / "frozen", {"method": "nucleus", "seed": 4})
    assert [text for text, _ in told(other, paths)] != [text for text, _ in whole]


def test_one_bad_file_stops_nothing(runs: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    good = test_clips(runs[1]["frozen"].data, silent)[0].path
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 16000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000, np.float32), 16000)
    soundfile.write(tmp_path / "short.wav", noise(0.001, 16000), 16000)
    names = [str(tmp_path / name) for name in ("bad.wav", "gone.wav", "none.wav", "silent.wav")]
    captioner = open_captioner(runs[0] / "frozen")
    bad, gone, none, quiet, short, fine = captioner.captions(
        [*names, str(tmp_path / "short.wav"), good]
    )
    assert bad.reason is not None
    assert bad.reason.startswith("cannot be decoded")
    assert gone.reason == "no such file"
    assert none.description is None
    assert none.reason
    assert quiet.description is not None
    assert (quiet.description.caption, quiet.description.score) == ("silence", 0.0)
    assert short.description is not None
    assert short.description.duration_s == pytest.approx(0.001)
    assert fine.description is not None
    assert told(captioner, [good]) == [
        (fine.description.caption, pytest.approx(fine.description.score, abs=1e-4))
    ]


def test_a_long_file_is_cut_which_is_told(
    runs: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    captioner = open_captioner(runs[0] / "frozen")
    rate, most = 16000, captioner.most_s
    begin = noise(most, rate)
    for name, more in (("exact", 0.0), ("long", 2.5)):
        rest = noise(more, rate, seed=9) if more else begin[:0]
        soundfile.write(tmp_path / f"{name}.wav", np.concatenate([begin, rest]), rate)
    exact, long = captioner.captions([str(tmp_path / "exact.wav"), str(tmp_path / "long.wav")])
    assert (exact.cut, long.cut) == (False, True)
    assert exact.description is not None
    assert long.description is not None
    assert long.description.duration_s == pytest.approx(most + 2.5)
    assert long.description.caption == exact.description.caption
    assert long.description.parts == ()


def test_words(runs: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    paths = [clip.path for clip in test_clips(runs[1]["frozen"].data, silent)]
    (tmp_path / "words.txt").write_text("crow owl", encoding="utf-8")
    captioner = open_captioner(runs[0] / "frozen", {"words": str(tmp_path / "words.txt")})
    assert {word for text, _ in told(captioner, paths) for word in text.split()} <= {"crow", "owl"}


def test_what_cannot_be(runs: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run in"):
        open_captioner(tmp_path)
    with pytest.raises(RecipeError, match="beams"):
        open_captioner(runs[0] / "frozen", {"beams": 0})
    with pytest.raises(RecipeError, match="cannot be read"):
        open_captioner(runs[0] / "frozen", {"words": str(tmp_path / "gone.txt")})
