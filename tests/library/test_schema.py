from __future__ import annotations

from soundseek.library.schema import blob_to_path, join_tags, path_to_blob, split_tags


def test_a_path_that_is_not_text_survives() -> None:
    path = "/fx/caf\udce9.wav"
    assert path_to_blob(path) == b"/fx/caf\xe9.wav"
    assert blob_to_path(path_to_blob(path)) == path


def test_tags_are_trimmed_split_and_kept_once() -> None:
    assert join_tags([" door ", "wood,old", "door", ""]) == "door,wood,old"
    assert split_tags("door,wood,old") == ("door", "wood", "old")
    assert split_tags(join_tags([])) == ()
