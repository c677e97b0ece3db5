"""What requests share, and its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundseek.serve.libraries import Libraries
from soundseek.serve.problems import Problem
from soundseek.serve.settings import Settings
from soundseek.serve.state import ServerState, cache_folder_of


class Part:
    """Uploads or jobs whose end is noted, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.closed = 0
        self._fails = fails

    def close(self) -> None:
        self.closed += 1
        if self._fails:
            raise OSError("cannot stop")


def _state(folder: Path) -> ServerState:
    return ServerState(Libraries(folder), Settings())


def test_every_part_is_closed_even_where_one_fails(library_folder: Path) -> None:
    state = _state(library_folder)
    state.uploads, state.jobs = Part(fails=True), Part()  # type: ignore[assignment]
    parts = state.uploads, state.jobs
    with pytest.raises(OSError, match="cannot stop"):
        state.close()
    assert [part.closed for part in parts] == [1, 1]  # type: ignore[attr-defined]
    state.close()
    with pytest.raises(Exception, match="is stopping"), state.library():
        pass


def test_files_are_opened_by_their_ids_alone(
    library_folder: Path, ids: dict[str, str], sounds: Path
) -> None:
    state = _state(library_folder)
    for name, file_id in ids.items():
        with state.opened(file_id) as (file, handle):
            assert handle.read() == (sounds / name).read_bytes()
        assert state.file(file_id) == state.known(file_id) == file
    with pytest.raises(Problem):
        state.file(str(sounds / "weather/rain.wav"))
    state.close()


def test_without_uploads_there_is_none(library_folder: Path) -> None:
    state = _state(library_folder)
    with pytest.raises(Problem, match="no upload x"):
        state.upload_vector("x")
    state.close()


def test_what_can_be_made_again_lies_in_the_cache(
    library_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_folder_of(library_folder) == library_folder / "cache" / "serve"
    monkeypatch.setenv("SOUNDSEEK_CACHE", str(tmp_path))
    monkeypatch.setattr("os.access", lambda *_: False)
    assert cache_folder_of(library_folder).parent == tmp_path / "serve"
    assert cache_folder_of(library_folder) != cache_folder_of(tmp_path)
