from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab.recipe_files import RecipeBase
from soundseek.lab.run_folder import METRICS, VALIDATION, RunFolder

pytestmark = pytest.mark.lab


def test_rewinding_drops_the_rows_that_will_come_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.rewind(0)  # nothing there yet
    for step in (10, 20, 30):
        folder.append(METRICS, {"step": step, "loss": step / 7})
    folder.rewind(20)
    folder.append(METRICS, {"step": 30, "loss": 1.5})
    lines = (tmp_path / METRICS).read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", "10", "20", "30"]
    assert lines[-1] == "30,1.5"
    assert not (tmp_path / VALIDATION).exists()


def test_a_newer_checkpoint_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    torch.save({"schema_version": 99}, folder.checkpoint)
    with pytest.raises(DataError, match=r"99.*\n.*upgrade"):
        folder.saved()


def test_a_table_that_was_begun_and_left_empty_is_begun_again(tmp_path: Path) -> None:
    """What a killed machine may leave of a file."""
    folder = RunFolder(tmp_path)
    (tmp_path / METRICS).touch()
    folder.rewind(5)
    folder.append(METRICS, {"step": 6, "loss": 0.5})
    assert (tmp_path / METRICS).read_text().splitlines() == ["step,loss", "6,0.5"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("step,loss\r\n10,0.5\r\n20,0.25\r\n2", "step,loss\r\n10,0.5\r\n20,0.25\r\n"),
        ("step,loss\r\n10,0.5\r\n30,0.", "step,loss\r\n10,0.5\r\n"),
        ("step,lo", ""),
        ("step,loss\r\n", ""),
    ],
)
def test_a_row_that_a_full_disk_cut_is_dropped(tmp_path: Path, text: str, kept: str) -> None:
    (tmp_path / METRICS).write_bytes(text.encode())
    RunFolder(tmp_path).rewind(20)
    assert (tmp_path / METRICS).read_bytes() == kept.encode()


def test_a_checkpoint_is_whole_or_that_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    assert folder.saved() is None
    folder.save({"step": 1, "weights": torch.ones(2)})

    def half(state: object, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        folder.save({"step": 2})
    saved = folder.saved()
    assert saved is not None
    assert saved["step"] == 1
    assert saved["weights"].device.type == "cpu"


def test_a_folder_that_was_claimed_half_is_claimed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RecipeBase(name="a", description="b")

    def killed(self: Path, text: str, encoding: str) -> int:
        with self.open("w", encoding=encoding) as file:
            file.write(text[:5])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            RunFolder.claim(tmp_path, recipe)
    assert RunFolder.claim(tmp_path, recipe).document()["name"] == "a"
    (tmp_path / "last.pt").touch()
    with pytest.raises(RecipeError, match=r"run of another recipe \(a\)"):
        RunFolder.claim(tmp_path, RecipeBase(name="b", description="b"))


def test_a_run_that_came_to_nothing_gives_way(tmp_path: Path) -> None:
    """Its corpus was not there: the folder is free for the recipe that names the right one."""
    one = RecipeBase(name="a", description="d", seed=1)
    other = RecipeBase(name="a", description="d", seed=2)
    RunFolder.claim(tmp_path, one)
    RunFolder.claim(tmp_path, other)
    assert RunFolder(tmp_path).document()["seed"] == 2
    for file in ("last.pt", "scores.json"):
        (tmp_path / file).write_text("", encoding="utf-8")
        with pytest.raises(RecipeError, match="another recipe"):
            RunFolder.claim(tmp_path, one)
        (tmp_path / file).unlink()
