from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.audio_encoders import AUDIO_ENCODERS
from soundseek.lab.published_weights import FOLDER_VARIABLE, WEIGHTS, find_weights, weights_folder

pytestmark = pytest.mark.lab

NAME = "Cnn10_mAP=0.380.pth"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "weights"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_every_published_file_says_where_it_is_from() -> None:
    assert len(WEIGHTS) >= 11
    for name, weights in WEIGHTS.items():
        assert weights.encoder in AUDIO_ENCODERS
        assert weights.page.startswith("https://")
        assert weights.licence
        if weights.url is not None:
            assert weights.url.startswith("https://")
            assert weights.url.endswith(name.replace("=", "%3D")) or weights.url.endswith(name)


def test_a_path_comes_first(tmp_path: Path, folder: Path) -> None:
    (folder / NAME).write_bytes(b"x")
    assert find_weights(NAME) == folder / NAME
    (tmp_path / NAME).write_bytes(b"y")
    assert find_weights(NAME) == Path(NAME)
    assert find_weights(str(tmp_path / NAME)) == tmp_path / NAME
    assert find_weights(f"elsewhere/{NAME}") == folder / NAME


def test_a_published_file_that_is_not_here_says_where_it_is(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_weights(NAME)
    message = str(caught.value)
    assert f"{NAME} is not on this machine" in message
    assert "https://zenodo.org/records/3987831/files/Cnn10_mAP%3D0.380.pth (CC BY 4.0)" in message
    assert str(folder) in message
    assert FOLDER_VARIABLE in message
    with pytest.raises(DataError, match=r"BEATs_iter3.*\n.*github.com/microsoft/unilm"):
        find_weights("BEATs_iter3_plus_AS2M.pt")


def test_an_unknown_file_names_the_nearest() -> None:
    with pytest.raises(
        DataError, match=r"no checkpoint at Cnn10_mAP=0\.38\.pth\n.*Cnn10_mAP=0\.380"
    ):
        find_weights("Cnn10_mAP=0.38.pth")
    with pytest.raises(DataError, match=r"no checkpoint at /nowhere/x\.pt\n.*give a path"):
        find_weights("/nowhere/x.pt")


def test_the_folder_of_the_user(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert weights_folder() == folder
    monkeypatch.delenv(FOLDER_VARIABLE)
    assert weights_folder() == Path("~/.cache/soundseek/weights").expanduser()
