from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")

from soundseek.errors import DataError, RecipeError
from soundseek.lab import systems
from soundseek.lab.choices import placed
from soundseek.lab.data.locking import folder_lock
from soundseek.lab.recipe_files import RecipeBase
from soundseek.lab.systems import SYSTEMS, load_recipe, recipe_of

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_what_a_system_names_is_there(name: str) -> None:
    system = SYSTEMS[name]
    kind = placed(system.recipe)
    assert issubclass(kind, RecipeBase)
    assert kind.model_fields["system"].annotation.__args__ == (name,)
    places = (system.train, system.small, system.similarities, system.export, system.rehearse)
    for place in (*places, system.find_batch):
        assert place is None or callable(placed(place)), place
    assert (system.export is None) == bool(all(system.no_export))


def test_a_recipe_names_its_system(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"here names no system\n.*distilled \| retrieval"):
        recipe_of({"name": "x"}, "here")
    with pytest.raises(RecipeError, match=r"no system is called 'retreival'\n.*'retrieval'\?"):
        recipe_of({"system": "retreival"}, "here")
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump({"system": "ensemble", "name": "x"}), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"a\.yaml:\n.*description: Field required"):
        load_recipe(str(path))


def test_a_recipe_is_trained_by_its_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called: list[Any] = []

    def fake(recipe: RecipeBase, folder: Path, say: Any, *, watch: Any) -> Path:
        called.append((recipe.name, folder))
        return folder / "made"

    monkeypatch.setattr(
        systems, "SYSTEMS", {"distilled": SYSTEMS["distilled"]._replace(train="a:b")}
    )
    monkeypatch.setattr(systems, "placed", lambda place: {"a:b": fake}[place])
    recipe: Any = type("R", (), {"system": "distilled", "name": "x"})()
    assert systems.train(recipe, tmp_path) == tmp_path / "made"
    assert called == [("x", tmp_path)]


def test_similarities_of_a_run_are_read_or_made_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Found:
        def save(self, folder: Path) -> None:
            folder.mkdir(parents=True)

    found = Found()
    monkeypatch.setattr(
        systems, "SYSTEMS", {"retrieval": SYSTEMS["retrieval"]._replace(similarities="a:b")}
    )
    monkeypatch.setattr(systems, "placed", lambda place: lambda folder, say, part: found)
    (tmp_path / "recipe.json").write_text('{"system": "retrieval"}', encoding="utf-8")
    assert systems.similarities(tmp_path, part="validation") is found  # type: ignore[comparison-overlap]
    # What was kept is read: here it is a folder of nothing.
    with pytest.raises(DataError, match=r"no similarities in .*validation"):
        systems.similarities(tmp_path, part="validation")


def test_a_system_without_a_model_tells_what_it_kept_alone(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text('{"system": "ensemble"}', encoding="utf-8")
    with pytest.raises(DataError, match=r"keeps no similarities of test\n.*come to its end"):
        systems.similarities(tmp_path)


def test_one_process_at_a_time_works_in_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(systems, "placed", lambda place: lambda *_, **__: tmp_path)
    recipe: Any = type("R", (), {"system": "retrieval", "name": "x"})()
    with (
        folder_lock(tmp_path, ".lock"),
        pytest.raises(DataError, match=r"another process is working in "),
    ):
        systems.train(recipe, tmp_path)
    assert systems.train(recipe, tmp_path) == tmp_path
    # Further processes of one training do not stand in each other's way.
    monkeypatch.setenv("RANK", "1")
    with folder_lock(tmp_path, ".lock"):
        assert systems.train(recipe, tmp_path) == tmp_path
