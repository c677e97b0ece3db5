from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from soundseek.errors import DataError, RecipeError
from soundseek.lab.data.corpora import CORPORA, open_corpus, read_corpus
from support.corpora import clotho_rows, write_csv, write_wav

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("name", CORPORA)
def test_every_row_leads_to_a_reader_with_named_options(name: str) -> None:
    row = CORPORA[name]
    assert row.description
    assert row.licence
    parameters = inspect.signature(importlib.import_module(row.module).read).parameters
    root, *options = parameters.values()
    assert root.name == "root"
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
    assert all(isinstance(option.default, str | int) for option in options)


@pytest.mark.parametrize("name", CORPORA)
def test_an_empty_folder_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        read_corpus(name, tmp_path)


def test_unknown_names_list_the_choices(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean 'clotho'"):
        read_corpus("clohto", tmp_path)
    with pytest.raises(RecipeError, match=r"no option of esc50 .*'test_folds'.*\n.*'test_fold'"):
        read_corpus("esc50", tmp_path, options={"test_folds": 1})
    with pytest.raises(RecipeError, match="test_fold of esc50 is 'last'"):
        read_corpus("esc50", tmp_path, options={"test_fold": "last"})
    with pytest.raises(DataError, match=r"there is no .*\n.*get clotho from https"):
        read_corpus("clotho", tmp_path / "none")


def test_doubled_ids_are_refused(tmp_path: Path) -> None:
    write_csv(tmp_path / "clotho_captions_development.csv", clotho_rows("d", "a.wav", "a.wav"))
    with pytest.raises(DataError, match=r"1 ids occur twice, .*clotho/development/a\.wav"):
        read_corpus("clotho", tmp_path, audio="optional", options={"metadata": "none"})


def test_what_has_no_sound_is_kept_or_left_out_or_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "rain.wav")
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    corpus = open_corpus("folder", tmp_path, audio="present")
    assert [Path(clip.path).name for clip in corpus.clips] == ["rain.wav"]
    assert list(corpus.without_sound) == [f"{tmp_path.name}/bad.wav"]
    with pytest.raises(DataError, match="1 of 2 clips have no readable sound"):
        open_corpus("folder", tmp_path)
    assert len(read_corpus("folder", tmp_path, audio="optional")) == 2
    (tmp_path / "rain.wav").unlink()
    with pytest.raises(DataError, match="none of the 1 clips has a readable sound"):
        open_corpus("folder", tmp_path, audio="present")


def test_paths_do_not_depend_on_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wav(tmp_path / "sounds" / "rain.wav")
    monkeypatch.chdir(tmp_path)
    assert read_corpus("folder", "sounds")[0].path == str(tmp_path / "sounds" / "rain.wav")
